import { DrawbridgeError } from "@drawbridge/errors";
import { chainToPem, type IdentitySnapshot, type KeyPair, type TrustBundle } from "@drawbridge/pki";
import { validateAtAny } from "../identity/agent-credentials.ts";

/**
 * Accept a renewed certificate only if it is ours: our key, a chain to the trust bundle, the same name, valid, and not the one that
 * it replaces.
 * @throws DrawbridgeError `RENEWAL_ANSWER_INVALID` (data_loss)
 */
export function checkRenewed(options: {
  readonly certificatesDer: readonly Uint8Array[];
  readonly keyPair: KeyPair;
  readonly trustBundle: TrustBundle;
  /** The one that it replaces. */
  readonly current: { readonly spiffeId: string; readonly serialNumber: string };
  readonly possibleNows: readonly Date[];
}): IdentitySnapshot {
  const { keyPair, trustBundle, current } = options;
  const material = {
    certificateChainPem: chainToPem(options.certificatesDer),
    privateKeyPem: keyPair.privateKeyPem(),
    trustBundle,
  };
  let renewed: IdentitySnapshot;
  try {
    renewed = validateAtAny(material, options.possibleNows);
  } catch (error) {
    throw invalid(error instanceof DrawbridgeError ? error.message : "it cannot be read", error);
  }
  if (renewed.spiffeId !== current.spiffeId) throw invalid("the certificate names somebody else");
  if (renewed.serialNumber === current.serialNumber) throw invalid("it is the certificate that was to be replaced");
  return renewed;
}

function invalid(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "RENEWAL_ANSWER_INVALID",
    message: `the renewed certificate is not used: ${what}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
