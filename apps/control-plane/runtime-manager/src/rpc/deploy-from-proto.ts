import type { ArtefactRef as ArtefactRefProto } from "@drawbridge/contracts/runtime/v1/app";
import type { DeployAppRequest } from "@drawbridge/contracts/runtime/v1/app_service";
import type { ArtefactRef } from "../domain/app.ts";
import { assertArtefact, assertManifest, assertShortText } from "../domain/limits.ts";
import type { DeployInput } from "../domain/plan-change.ts";

/** @throws DrawbridgeError `ARTEFACT_INVALID` | `MANIFEST_INVALID` | `TEXT_TOO_LONG` (invalid_argument) */
export function deployInputFromProto(request: DeployAppRequest): DeployInput {
  return {
    bundle: artefactFromProto(request.bundle),
    configuration: request.configuration && artefactFromProto(request.configuration),
    version: assertShortText(request.version, "version", 100),
    manifestJson: assertManifest(request.manifestJson),
    replicas: request.replicas,
    publicPort: request.publicPort,
    routes: request.routes?.routes,
    strategy: request.strategy && { ...request.strategy },
    gatekeeper: request.gatekeeper,
  };
}

function artefactFromProto(artefact: ArtefactRefProto | undefined): ArtefactRef {
  return assertArtefact({
    digest: artefact?.digest ?? "",
    sizeBytes: artefact?.sizeBytes ?? 0n,
    path: artefact?.path ?? "",
  });
}
