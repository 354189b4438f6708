import type {
  EnvironmentAnalytics,
  SetAnalyticsSettingsRequest,
} from "@drawbridge/contracts/apis/v1/analytics_settings_service";
import { ApiAnalytics } from "@drawbridge/contracts/apis/v1/api_service";
import { AddressDetail, GeographyDetail } from "@drawbridge/contracts/apis/v1/configuration";
import type { z } from "zod";
import type { analyticsSettingsBody, analyticsSettingsSchema } from "../schemas/analytics-settings.ts";
import type { apiSchema } from "../schemas/api.ts";
import { instantOrNull, required } from "./values.ts";

type Settings = z.output<typeof analyticsSettingsSchema>;
type ApiWord = z.output<typeof apiSchema>["analytics"];

const addressDetails = {
  none: AddressDetail.ADDRESS_DETAIL_NONE,
  hashed: AddressDetail.ADDRESS_DETAIL_HASHED,
  truncated: AddressDetail.ADDRESS_DETAIL_TRUNCATED,
  full: AddressDetail.ADDRESS_DETAIL_FULL,
} as const satisfies Record<Settings["clientAddress"], AddressDetail>;

const geographyDetails = {
  none: GeographyDetail.GEOGRAPHY_DETAIL_NONE,
  country: GeographyDetail.GEOGRAPHY_DETAIL_COUNTRY,
  city: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
} as const satisfies Record<Settings["geography"], GeographyDetail>;

const apiWords = {
  inherit: ApiAnalytics.API_ANALYTICS_INHERIT,
  off: ApiAnalytics.API_ANALYTICS_OFF,
} as const satisfies Record<ApiWord, ApiAnalytics>;

export function analyticsSettingsToJson(settings: EnvironmentAnalytics | undefined): Settings {
  const { told: asked, updatedAt, updatedBy, ...facts } = required("settings", settings);
  const told = required("told", asked);
  return {
    ...facts,
    clientAddress: required("client_address", nameOf(addressDetails, told.clientAddress)),
    userAgent: told.userAgent,
    geography: required("geography", nameOf(geographyDetails, told.geography)),
    routeWords: told.routeWords,
    updatedAt: instantOrNull(updatedAt),
    updatedBy: updatedBy === "" ? null : updatedBy,
  };
}

export function analyticsSettingsFromJson(
  body: z.output<typeof analyticsSettingsBody>,
): Pick<SetAnalyticsSettingsRequest, "isOn" | "clientAddress" | "userAgent" | "geography" | "routeWords"> {
  const { isOn, clientAddress, userAgent, geography, routeWords } = body;
  return {
    isOn,
    clientAddress: clientAddress && addressDetails[clientAddress],
    userAgent,
    geography: geography && geographyDetails[geography],
    routeWords: routeWords && { words: routeWords },
  };
}

export function apiAnalyticsToJson(analytics: ApiAnalytics): ApiWord {
  return required("analytics", nameOf(apiWords, analytics));
}

export function apiAnalyticsFromJson(word: ApiWord): ApiAnalytics {
  return apiWords[word];
}

function nameOf<Name extends string>(values: Readonly<Record<Name, number>>, value: number): Name | undefined {
  // The keys of the record are its names.
  return (Object.keys(values) as Name[]).find((name) => values[name] === value);
}
