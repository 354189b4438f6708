import type { ArtefactReferenceServiceService } from "@drawbridge/contracts/runtime/v1/artefact_reference_service";
import type { GrpcCalls } from "@drawbridge/rpc";
import { isArtefactDigest, type ArtefactDigest } from "../domain/artefact-digest.ts";

const timeoutMs = 15_000;

/** Ask runtime-manager, which owns the history of apps, what of this it still refers to. Rejects when it does not say. */
export function createReferenceQuestion(call: Pick<GrpcCalls<ArtefactReferenceServiceService>, "filterReferenced">) {
  return async (digests: readonly ArtefactDigest[], signal: AbortSignal): Promise<ReadonlySet<ArtefactDigest>> => {
    const { referenced } = await call.filterReferenced(
      { digests: [...digests] },
      { signal, timeoutMs, idempotent: true },
    );
    return new Set(referenced.filter((digest) => isArtefactDigest(digest)));
  };
}
