import { ArtefactReferenceServiceService } from "@drawbridge/contracts/runtime/v1/artefact_reference_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { assertDigest } from "../domain/limits.ts";
import type { ArtefactReferences } from "../store/artefact-references.ts";

const maxDigests = 500;

/** Tells config-resolver which of its artefacts are still needed. */
export function createArtefactReferenceRpc(references: ArtefactReferences): GrpcServiceDefinition {
  return defineGrpcService(ArtefactReferenceServiceService, {
    allow: { filterReferenced: [{ service: "config-resolver" }] },
    handlers: {
      filterReferenced: async ({ digests }) => {
        if (digests.length > maxDigests) throw tooManyDigests();
        for (const digest of digests) assertDigest(digest);
        return { referenced: [...(await references.filterReferenced(digests))] };
      },
    },
  });
}

function tooManyDigests(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "TOO_MANY_DIGESTS",
    message: `at most ${maxDigests} digests may be asked for at once`,
  });
}
