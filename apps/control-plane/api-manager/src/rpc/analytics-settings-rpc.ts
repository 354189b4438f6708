import {
  AnalyticsSettingsServiceService,
  SetAnalyticsSettingsRequest,
  SetAnalyticsSettingsResponse,
  type EnvironmentAnalytics,
} from "@drawbridge/contracts/apis/v1/analytics_settings_service";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { Store } from "@drawbridge/store";
import { type AnalyticsSetting, analyticsWarnings } from "../domain/analytics-setting.ts";
import { fieldError } from "../domain/field-error.ts";
import { assertLabel, assertRouteWords } from "../domain/limits.ts";
import { type AnalyticsSettingView, readAnalyticsSetting, writeAnalyticsSetting } from "../store/analytics-settings.ts";
import type { ApiManagerDatabase } from "../store/database.ts";
import { addressDetailFromProto, analyticsToProto, geographyDetailFromProto } from "../tree/analytics.ts";
import type { Write } from "./write.ts";

const managementApi = [{ service: "management-api" }] as const;

/** How much of the requests of an environment's APIs is told. */
export function createAnalyticsSettingsRpc(deps: {
  readonly store: Pick<Store<ApiManagerDatabase>, "db">;
  readonly write: Write;
}): GrpcServiceDefinition {
  const { store, write } = deps;
  return defineGrpcService(AnalyticsSettingsServiceService, {
    allow: { getAnalyticsSettings: managementApi, setAnalyticsSettings: managementApi },
    handlers: {
      getAnalyticsSettings: async ({ org: inOrg, environment: named }) => {
        const org = assertLabel(inOrg, "ORG_NAME_INVALID");
        const environment = assertLabel(named, "ENVIRONMENT_NAME_INVALID");
        return { settings: viewToProto(environment, await readAnalyticsSetting(store.db, org, environment)) };
      },
      setAnalyticsSettings: (request) =>
        write(request, {
          method: "SetAnalyticsSettings",
          codec: { request: SetAnalyticsSettingsRequest, response: SetAnalyticsSettingsResponse },
          work: async (save) => {
            const environment = assertLabel(request.environment, "ENVIRONMENT_NAME_INVALID");
            const { setting } = await readAnalyticsSetting(save.tx, save.org, environment);
            await writeAnalyticsSetting(save, environment, changedSetting(setting, request));
            return { settings: viewToProto(environment, await readAnalyticsSetting(save.tx, save.org, environment)) };
          },
        }),
    },
  });
}

/** @throws DrawbridgeError `ANALYTICS_SETTINGS_INVALID` (invalid_argument), with fields */
function changedSetting(setting: AnalyticsSetting, request: SetAnalyticsSettingsRequest): AnalyticsSetting {
  const { isOn, clientAddress, userAgent, geography, routeWords } = request;
  const address = clientAddress === undefined ? setting.clientAddress : addressDetailFromProto(clientAddress);
  const place = geography === undefined ? setting.geography : geographyDetailFromProto(geography);
  if (address === undefined || place === undefined) {
    throw fieldError("ANALYTICS_SETTINGS_INVALID", [
      ...(address === undefined
        ? [{ field: "clientAddress", message: "must be none, hashed, truncated or full" }]
        : []),
      ...(place === undefined ? [{ field: "geography", message: "must be none, country or city" }] : []),
    ]);
  }
  return {
    isOn: isOn ?? setting.isOn,
    clientAddress: address,
    userAgent: userAgent ?? setting.userAgent,
    geography: place,
    routeWords: routeWords ? assertRouteWords(routeWords.words, "ANALYTICS_SETTINGS_INVALID") : setting.routeWords,
  };
}

function viewToProto(environment: string, view: AnalyticsSettingView): EnvironmentAnalytics {
  const { setting, apis, apisOff, updated } = view;
  return {
    environment,
    isOn: setting.isOn,
    told: analyticsToProto(setting),
    warnings: [...analyticsWarnings(setting)],
    apisTold: setting.isOn ? apis - apisOff : 0,
    apisOff,
    updatedAt: updated?.at,
    updatedBy: updated?.by ?? "",
  };
}
