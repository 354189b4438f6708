import { DrawbridgeError } from "@drawbridge/errors";
import { parseCertificate, verifyChain, type TrustBundle } from "@drawbridge/pki";

/**
 * A new trust bundle is taken over where it keeps every root of the present one, or where the server that we talk to right now
 * leads to it. Otherwise it would cut this agent off for good. Our own certificate need not lead to it: it is renewed over
 * the connection that is open.
 * @throws DrawbridgeError `TRUST_BUNDLE_REFUSED` (failed_precondition)
 */
export function assertAdoptable(options: {
  readonly present: TrustBundle;
  readonly next: TrustBundle;
  /** Of the session in use, leaf first; empty if there is none. */
  readonly serverChainDer: readonly Uint8Array[];
  readonly possibleNows: readonly Date[];
}): void {
  const { present, next, serverChainDer, possibleNows } = options;
  const keepsAll = present.rootsDer.every((root) =>
    next.rootsDer.some((other) => Buffer.from(root).equals(Buffer.from(other))),
  );
  if (keepsAll) return;
  let cause: unknown;
  for (const at of possibleNows) {
    try {
      const chain = serverChainDer.map((der) => parseCertificate(der));
      verifyChain({ chain, trustBundle: next, at });
      return;
    } catch (error) {
      cause = error;
    }
  }
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "TRUST_BUNDLE_REFUSED",
    message: `the trust bundle ${next.sequence} would lock this agent out: it drops a root that is trusted now, and the server that sent it does not lead to a root in it`,
    cause,
  });
}
