import { DrawbridgeError, isDrawbridgeError, toError } from "@drawbridge/errors";

const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; is the control plane running?",
  ENOTFOUND: "the host name is not known; check the URL",
  EAI_AGAIN: "the name server did not answer",
  ECONNRESET: "the connection was cut",
  ETIMEDOUT: "no answer in time",
  UND_ERR_CONNECT_TIMEOUT: "no answer in time",
  UND_ERR_HEADERS_TIMEOUT: "no answer in time",
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: "something else than management-api listens there; check the port",
  UND_ERR_SOCKET: "the connection was cut",
};

const trustCodes = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

/** What a failed connection means, by Node's and undici's codes; never by their texts. */
export function transportError(thrown: unknown, url: string): DrawbridgeError {
  if (isDrawbridgeError(thrown)) return thrown;
  const error = toError(thrown);
  const inner = isDrawbridgeError(error.cause) ? error.cause : undefined;
  if (inner) return inner;
  const code = codeOf(error) ?? codeOf(error.cause) ?? "";
  if (trustCodes.has(code)) {
    return new DrawbridgeError({
      kind: "unavailable",
      code: "SERVER_NOT_TRUSTED",
      message: `the server at ${url} is not the one this login trusts; if its CA was replaced, run "drawbridge login" with the new trust bundle`,
      cause: thrown,
    });
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return new DrawbridgeError({
      kind: "unavailable",
      code: "SERVER_CERTIFICATE_TIME",
      message: `the certificate of ${url} is ${code === "CERT_HAS_EXPIRED" ? "expired" : "not valid yet"} by this machine's clock (${new Date().toISOString()}); check the clock, then the server`,
      cause: thrown,
    });
  }
  return new DrawbridgeError({
    kind: "unavailable",
    code: "CONTROL_PLANE_UNREACHABLE",
    message: `${url} cannot be reached: ${explanations[code] ?? (code === "" ? "the connection failed" : code)}`,
    cause: thrown,
  });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
