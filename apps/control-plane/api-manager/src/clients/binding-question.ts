import type { ApiBindingServiceClient } from "@drawbridge/contracts/runtime/v1/api_binding_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { GrpcCalls } from "@drawbridge/rpc";
import type { BindingAnswer } from "../store/bindings.ts";

type Calls = GrpcCalls<(typeof ApiBindingServiceClient)["service"]>;

export interface BindingQuestion {
  of(fabricId: string, signal?: AbortSignal): Promise<BindingAnswer>;
  /** Every fabric with an app that is bound to some API. */
  boundFabrics(signal: AbortSignal): Promise<readonly string[]>;
}

const timeoutMs = 5_000;

/** What runtime-manager knows of manifests. @throws DrawbridgeError (unavailable) while it is away */
export function createBindingQuestion(call: Calls): BindingQuestion {
  return {
    of: async (fabricId, signal) => {
      try {
        const options = { idempotent: true, timeoutMs, ...(signal ? { signal } : {}) };
        const { organisation, bindings } = await call.listApiBindings({ fabricId }, options);
        return {
          fabric: "exists",
          org: organisation,
          bindings: bindings.map((binding) => ({
            appId: binding.appId,
            appName: binding.appName,
            api: { environment: binding.environment, name: binding.apiName, version: binding.apiVersion },
            basePath: binding.basePath,
            resources: binding.resources.map(({ method, path }) => ({ method, path })),
          })),
        };
      } catch (error) {
        if (isDrawbridgeError(error, "FABRIC_NOT_FOUND")) return { fabric: "gone" };
        throw error;
      }
    },
    boundFabrics: async (signal) => {
      const ids: string[] = [];
      let pageToken = "";
      do {
        const page = await call.listBoundFabrics(
          { pageSize: 1_000, pageToken },
          { idempotent: true, timeoutMs, signal },
        );
        ids.push(...page.fabricIds);
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return ids;
    },
  };
}
