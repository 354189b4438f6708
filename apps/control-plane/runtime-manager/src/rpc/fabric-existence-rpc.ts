import {
  FabricExistence,
  FabricExistenceServiceService,
} from "@drawbridge/contracts/runtime/v1/fabric_existence_service";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { isUuid } from "../domain/ids.ts";
import type { FabricRepository } from "../store/fabrics.ts";

/** Tells services that are about to act on the deletion of a fabric whether it was deleted. */
export function createFabricExistenceRpc(fabrics: Pick<FabricRepository, "existence">): GrpcServiceDefinition {
  return defineGrpcService(FabricExistenceServiceService, {
    allow: { checkFabric: [{ service: "cert-authority" }, { service: "activation" }] },
    handlers: {
      checkFabric: async ({ fabricId }) => ({
        existence: existenceToProto[isUuid(fabricId) ? await fabrics.existence(fabricId) : "never-existed"],
      }),
    },
  });
}

const existenceToProto = {
  exists: FabricExistence.FABRIC_EXISTENCE_EXISTS,
  deleted: FabricExistence.FABRIC_EXISTENCE_DELETED,
  "never-existed": FabricExistence.FABRIC_EXISTENCE_NEVER_EXISTED,
} as const satisfies Record<Awaited<ReturnType<FabricRepository["existence"]>>, FabricExistence>;
