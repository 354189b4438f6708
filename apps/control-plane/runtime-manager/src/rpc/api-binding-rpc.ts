import {
  ApiBindingServiceService,
  type ApiBinding as ApiBindingProto,
} from "@drawbridge/contracts/runtime/v1/api_binding_service";
import { DrawbridgeError } from "@drawbridge/errors";
import {
  defineGrpcService,
  type GrpcServiceDefinition,
  pageSize,
  readPageToken,
  writePageToken,
} from "@drawbridge/rpc";
import type { ApiBinding } from "../domain/api-binding.ts";
import { fabricId, isUuid } from "../domain/ids.ts";
import type { ApiBindingRepository } from "../store/api-bindings.ts";

/** Tells api-manager what manifests declare. */
export function createApiBindingRpc(
  repository: Pick<ApiBindingRepository, "ofFabric" | "boundFabrics">,
): GrpcServiceDefinition {
  return defineGrpcService(ApiBindingServiceService, {
    allow: { listApiBindings: [{ service: "api-manager" }], listBoundFabrics: [{ service: "api-manager" }] },
    handlers: {
      listApiBindings: async ({ fabricId: id }) => {
        const found = isUuid(id) ? await repository.ofFabric(fabricId(id)) : undefined;
        if (!found) throw fabricNotFound();
        const { organisation, generation, bindings } = found;
        return {
          organisation,
          generation,
          bindings: bindings.map(bindingToProto),
        };
      },
      listBoundFabrics: async ({ pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 500, 1_000);
        const [after = ""] = readPageToken(pageToken, 1) ?? [];
        if (after !== "" && !isUuid(after)) throw fabricNotFound();
        const found = await repository.boundFabrics({ after, limit: limit + 1 });
        const page = found.slice(0, limit);
        const last = page.at(-1);
        return {
          fabricIds: [...page],
          nextPageToken: found.length > limit && last !== undefined ? writePageToken([last]) : "",
        };
      },
    },
  });
}

function bindingToProto({ resources, ...binding }: ApiBinding): ApiBindingProto {
  return { ...binding, resources: [...resources] };
}

function fabricNotFound(): DrawbridgeError {
  return new DrawbridgeError({ kind: "not_found", code: "FABRIC_NOT_FOUND", message: "there is no such fabric" });
}
