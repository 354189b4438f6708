import { ApiAnalytics } from "@drawbridge/contracts/apis/v1/api_service";
import { AddressDetail, GeographyDetail, type AnalyticsSettings } from "@drawbridge/contracts/apis/v1/configuration";
import type {
  AddressDetailName,
  AnalyticsSetting,
  ApiAnalyticsName,
  GeographyDetailName,
} from "../domain/analytics-setting.ts";

const addressDetails = {
  none: AddressDetail.ADDRESS_DETAIL_NONE,
  hashed: AddressDetail.ADDRESS_DETAIL_HASHED,
  truncated: AddressDetail.ADDRESS_DETAIL_TRUNCATED,
  full: AddressDetail.ADDRESS_DETAIL_FULL,
} as const satisfies Record<AddressDetailName, AddressDetail>;

const geographyDetails = {
  none: GeographyDetail.GEOGRAPHY_DETAIL_NONE,
  country: GeographyDetail.GEOGRAPHY_DETAIL_COUNTRY,
  city: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
} as const satisfies Record<GeographyDetailName, GeographyDetail>;

const apiAnalytics = {
  inherit: ApiAnalytics.API_ANALYTICS_INHERIT,
  off: ApiAnalytics.API_ANALYTICS_OFF,
} as const satisfies Record<ApiAnalyticsName, ApiAnalytics>;

export function analyticsToProto(told: Omit<AnalyticsSetting, "isOn">): AnalyticsSettings {
  const { clientAddress, userAgent, geography, routeWords } = told;
  return {
    clientAddress: addressDetails[clientAddress],
    userAgent,
    geography: geographyDetails[geography],
    routeWords: [...routeWords],
  };
}

export function apiAnalyticsToProto(analytics: ApiAnalyticsName): ApiAnalytics {
  return apiAnalytics[analytics];
}

/** undefined: no value that has a meaning. */
export function addressDetailFromProto(value: AddressDetail): AddressDetailName | undefined {
  return nameOf(addressDetails, value);
}

/** undefined: no value that has a meaning. */
export function geographyDetailFromProto(value: GeographyDetail): GeographyDetailName | undefined {
  return nameOf(geographyDetails, value);
}

/** undefined: no value that has a meaning. */
export function apiAnalyticsFromProto(value: ApiAnalytics): ApiAnalyticsName | undefined {
  return nameOf(apiAnalytics, value);
}

function nameOf<Name extends string>(values: Readonly<Record<Name, number>>, value: number): Name | undefined {
  // The keys of the record are its names.
  return (Object.keys(values) as Name[]).find((name) => values[name] === value);
}
