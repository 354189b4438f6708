import { once } from "node:events";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { dial, type DialOptions } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseCertificate, spkiPin } from "@drawbridge/pki";

const longestChain = 8;

/**
 * Pin of the root that a server shows, not verified. Only for asking for the way to it: what is believed of the answer are
 * signatures of roots that are trusted already. Nothing is sent over this connection.
 * @throws what `dial` throws | DrawbridgeError `TLS_HANDSHAKE_FAILED` (unavailable)
 */
export async function pinOfShownRoot(options: DialOptions, signal: AbortSignal): Promise<string> {
  const raw = await dial(options, signal);
  const secure = connect({
    socket: raw,
    rejectUnauthorized: false, // only to see the chain
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
  });
  try {
    await once(secure, "secureConnect", { signal: AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]) });
    const root = lastOf(secure.getPeerCertificate(true));
    const certificate = parseCertificate(new Uint8Array(root.raw));
    return spkiPin(certificate.publicKey.export({ format: "der", type: "spki" }));
  } catch (cause) {
    signal.throwIfAborted();
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "TLS_HANDSHAKE_FAILED",
      message: `no TLS 1.3 connection to activation at ${options.target.host}:${options.target.port}`,
      cause,
    });
  } finally {
    secure.destroy();
    raw.destroy();
  }
}

function lastOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate {
  let last = leaf;
  // Node links a self-signed root to itself; the types say that there always is an issuer, which a chain without root has not.
  for (let count = 0; count < longestChain; count += 1) {
    const next: DetailedPeerCertificate | undefined = last.issuerCertificate;
    if (next === undefined || next === last) break;
    last = next;
  }
  return last;
}
