import {
  RevocationServiceService,
  type ListRevocationsRequest,
  type ListRevocationsResponse,
  type Revocation as RevocationProto,
} from "@drawbridge/contracts/certs/v1/revocation_service";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { Revocation } from "../domain/revocation.ts";
import type { RestoreGuard } from "../revocation/restore-guard.ts";
import type { RevocationMirror } from "../revocation/revocation-mirror.ts";
import type { RevocationRepository } from "../store/revocation-repository.ts";
import { invalid, requireUuid } from "./requests.ts";

export interface RevocationRpcDeps {
  readonly revocations: Pick<RevocationRepository, "list">;
  readonly mirror: Pick<RevocationMirror, "compared">;
  readonly restoreGuard: Pick<RestoreGuard, "assertComplete">;
}

const highestPosition = 2n ** 63n - 1n;

export function createRevocationRpc({ revocations, mirror, restoreGuard }: RevocationRpcDeps): GrpcServiceDefinition {
  return defineGrpcService(RevocationServiceService, {
    allow: { listRevocations: ["any-service"] },
    handlers: {
      listRevocations: async (request, { signal }) => {
        await mirror.compared(signal); // after a restore the list lacks revocations until then
        if (request.listId === "") await restoreGuard.assertComplete(); // who has a list keeps it, and needs what is new
        return listRevocations(revocations, request);
      },
    },
  });
}

/** One page, for other services and for our own listener. */
export async function listRevocations(
  revocations: RevocationRpcDeps["revocations"],
  request: ListRevocationsRequest,
): Promise<ListRevocationsResponse> {
  const page = await revocations.list(queryFromProto(request));
  return {
    revocations: page.revocations.map(revocationToProto),
    nextPosition: page.nextPosition,
    more: page.hasMore,
    listId: page.listId,
  };
}

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) */
function queryFromProto({ afterPosition, listId }: ListRevocationsRequest) {
  if (afterPosition > highestPosition) throw invalid("after_position", "must be a position that this service gave out");
  return { afterPosition, listId: listId === "" ? "" : requireUuid("list_id", listId) };
}

export function revocationToProto(revocation: Revocation): RevocationProto {
  return {
    position: revocation.position,
    serialNumber: revocation.serialNumber ?? "",
    fingerprintSha256: revocation.fingerprintSha256 ?? "",
    spiffeId: revocation.spiffeId,
    fabricId: revocation.fabricId ?? "",
    revokedAt: revocation.revokedAt,
    notAfter: revocation.notAfter,
    reason: revocation.reason,
  };
}
