import { once } from "node:events";
import { isIP } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { X509Certificate } from "node:crypto";
import { dial, type DialOptions } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseCertificate } from "@drawbridge/pki";
import { describeValidity } from "../clock/describe-skew.ts";

export interface ConnectTlsOptions extends DialOptions {
  /** Who is expected there, for messages: "config-resolver". */
  readonly peer: string;
  readonly tlsOptions: ConnectionOptions;
  readonly now: () => Date;
  /** This machine's clock minus the control plane's, if it was ever measured. */
  readonly measuredSkewMs: () => number | undefined;
}

/** OpenSSL's verdicts that mean: the chain does not lead to a root of ours. */
const untrustedCodes: ReadonlySet<string> = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

/**
 * Open a verified TLS connection. The caller owns the socket.
 * @throws DrawbridgeError what `dial` throws | `SERVER_IDENTITY_UNEXPECTED`, `SERVER_NOT_TRUSTED`,
 *   `SERVER_CERTIFICATE_NOT_VALID_NOW` (unauthenticated) | `TLS_HANDSHAKE_FAILED` (unavailable)
 */
export async function connectTls(options: ConnectTlsOptions, signal: AbortSignal): Promise<TLSSocket> {
  const raw = await dial(options, signal);
  const { host } = options.target;
  const secure = connect({ ...options.tlsOptions, ...(isIP(host) ? {} : { servername: host }), socket: raw });
  try {
    await once(secure, "secureConnect", {
      signal: AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]),
    });
    return secure;
  } catch (error) {
    secure.destroy();
    raw.destroy();
    signal.throwIfAborted();
    throw await explain(error, options, signal);
  }
}

/**
 * The certificate that a server shows, not verified: for reports and messages only. Nothing is sent to it.
 * @throws what `dial` throws | DrawbridgeError `TLS_HANDSHAKE_FAILED` (unavailable)
 */
export async function showCertificate(
  options: DialOptions & { readonly peer: string; readonly alpnProtocols: readonly string[] },
  signal: AbortSignal,
): Promise<X509Certificate> {
  const raw = await dial(options, signal);
  const secure = connect({
    socket: raw,
    rejectUnauthorized: false, // only to look at it
    minVersion: "TLSv1.3",
    ALPNProtocols: [...options.alpnProtocols],
  });
  try {
    await once(secure, "secureConnect", { signal: AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]) });
    const peer = secure.getPeerX509Certificate();
    if (peer === undefined) throw new Error("no certificate");
    return parseCertificate(new Uint8Array(peer.raw));
  } catch (error) {
    signal.throwIfAborted();
    throw handshakeFailed(options, error);
  } finally {
    secure.destroy();
    raw.destroy();
  }
}

async function explain(error: unknown, options: ConnectTlsOptions, signal: AbortSignal): Promise<DrawbridgeError> {
  if (error instanceof DrawbridgeError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const where = `${options.target.host}:${options.target.port}`;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return new DrawbridgeError({
      kind: "unauthenticated",
      code: "SERVER_CERTIFICATE_NOT_VALID_NOW",
      message: await explainValidity(code, options, signal),
      cause: error,
    });
  }
  if (untrustedCodes.has(code)) {
    return new DrawbridgeError({
      kind: "unauthenticated",
      code: "SERVER_NOT_TRUSTED",
      message: `the certificate of ${options.peer} at ${where} does not lead to a root that this fabric trusts (${code}): something terminates TLS in between, or it is another control plane`,
      cause: error,
    });
  }
  return handshakeFailed(options, error);
}

async function explainValidity(code: string, options: ConnectTlsOptions, signal: AbortSignal): Promise<string> {
  const subject = `the certificate of ${options.peer}`;
  const now = options.now();
  const alpnProtocols = (options.tlsOptions.ALPNProtocols as readonly string[] | undefined) ?? ["h2"]; // set by pki as names
  const shown = await showCertificate({ ...options, alpnProtocols }, signal).catch(() => undefined);
  if (shown === undefined || (now >= shown.validFromDate && now < shown.validToDate)) {
    // Not the leaf, then: an issuing CA or a root, which live for months and years.
    const points = code === "CERT_NOT_YET_VALID" ? "behind" : "ahead";
    return `a certificate above ${subject} is not valid at ${now.toISOString()}, this machine's time: your clock is probably ${points}; set it right (NTP)`;
  }
  return describeValidity({
    subject,
    notBefore: shown.validFromDate,
    notAfter: shown.validToDate,
    now,
    measuredSkewMs: options.measuredSkewMs(),
  });
}

function handshakeFailed(
  options: { readonly peer: string; readonly target: DialOptions["target"] },
  cause: unknown,
): DrawbridgeError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const why =
    cause instanceof Error && (cause.name === "AbortError" || cause.name === "TimeoutError")
      ? "no answer in time"
      : code;
  return new DrawbridgeError({
    kind: "unavailable",
    code: "TLS_HANDSHAKE_FAILED",
    message: `no TLS 1.3 connection to ${options.peer} at ${options.target.host}:${options.target.port} (${why || "closed by the other side"})`,
    cause,
  });
}
