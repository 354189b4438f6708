import { createHash } from "node:crypto";
import type { GetSnapshotResponse } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { verifyJws, type TrustBundle } from "@drawbridge/pki";
import type { DesiredSnapshot } from "./app-wish.ts";
import { snapshotFromPayload } from "./snapshot-from-proto.ts";

/** Header `typ` of a snapshot (tunnel_service.proto). */
export const snapshotType = "drawbridge-snapshot+jws";
const expectedSigner = "/cp/runtime-manager";

/**
 * Verify who signed a snapshot and that it is what its digest says, then read it.
 * @throws DrawbridgeError `JWS_INVALID`, `JWS_SIGNER_UNEXPECTED`, `CERTIFICATE_*` (unauthenticated), `SNAPSHOT_DIGEST_MISMATCH`,
 *   `SNAPSHOT_MALFORMED` (data_loss)
 */
export async function verifySnapshot(
  response: Pick<GetSnapshotResponse, "digest" | "snapshotJws">,
  trust: { readonly trustBundle: TrustBundle; readonly at: Date },
): Promise<DesiredSnapshot> {
  const { payload } = await verifyJws({
    jws: response.snapshotJws,
    trustBundle: trust.trustBundle,
    expectedSigner,
    type: snapshotType,
    at: trust.at,
  });
  const digest = `sha256:${createHash("sha256").update(payload).digest("hex")}`;
  if (digest !== response.digest) {
    throw new DrawbridgeError({
      kind: "data_loss",
      code: "SNAPSHOT_DIGEST_MISMATCH",
      message: `the snapshot has digest ${digest}, but was announced as ${response.digest}`,
    });
  }
  return snapshotFromPayload(Buffer.from(payload).toString("utf8"), digest);
}
