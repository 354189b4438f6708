import { ConfigurationRoot } from "@drawbridge/contracts/apis/v1/configuration";
import { DrawbridgeError } from "@drawbridge/errors";
import { verifyJws, type TrustBundle } from "@drawbridge/pki";
import { digestOfRoot } from "./root-store.ts";

/** Header `typ` of a root (configuration.proto). */
export const rootType = "drawbridge-apis+jws";
const expectedSigner = "/cp/api-manager";

/**
 * Whose root this is, before it is offered to gateways, which look at it themselves once more.
 * @throws DrawbridgeError `JWS_INVALID`, `JWS_SIGNER_UNEXPECTED`, `CERTIFICATE_*` (unauthenticated), `API_ROOT_MALFORMED` (data_loss)
 */
export async function verifyRoot(
  root: { readonly jws: string; readonly digest: string },
  expected: { readonly fabricId: string; readonly trustBundle: TrustBundle; readonly at: Date },
): Promise<void> {
  const { trustBundle, at } = expected;
  const { payload } = await verifyJws({ jws: root.jws, trustBundle, expectedSigner, type: rootType, at });
  if (digestOfRoot(root.jws) !== root.digest) throw malformed("its digest is not the one that was announced");
  let fabricId: string;
  try {
    ({ fabricId } = ConfigurationRoot.fromJSON(JSON.parse(Buffer.from(payload).toString("utf8"))));
  } catch (error) {
    throw malformed("it is not protobuf JSON of a root", error);
  }
  if (fabricId !== expected.fabricId) throw malformed("it is for another fabric");
}

function malformed(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "API_ROOT_MALFORMED",
    message: `what gateways should enforce cannot be used: ${what}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
