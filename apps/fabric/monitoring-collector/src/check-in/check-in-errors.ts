import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { z } from "zod";
import { parseOrUndefined } from "./check-in-message.ts";
import type { IngestTarget } from "./ingest-target.ts";

const maxBytes = 16 * 1_024;

const problemSchema = z.object({
  code: z.string().max(100),
  detail: z.string().max(2_000).optional(),
  retryAfterMs: z.number().nonnegative().optional(),
});

const kindByStatus: Readonly<Record<number, ErrorKind>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  413: "invalid_argument",
  415: "invalid_argument",
  422: "invalid_argument",
  429: "resource_exhausted",
};

/** OpenSSL's verdicts that mean: the server's chain does not lead to a root of ours. */
const untrustedCodes: ReadonlySet<string> = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

/** What monitoring-ingest said instead of an answer. */
export function problemOf(status: number, retryAfter: unknown, text: string): DrawbridgeError {
  const kind = kindByStatus[status] ?? "unavailable";
  const parsed = problemSchema.safeParse(parseOrUndefined(text));
  const headerMs = typeof retryAfter === "string" && retryAfter !== "" ? Number(retryAfter) * 1_000 : NaN;
  const retryAfterMs = parsed.data?.retryAfterMs ?? (Number.isFinite(headerMs) ? headerMs : undefined);
  const message = parsed.data?.detail ?? `monitoring-ingest answered with status ${status}`;
  const common = { kind, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  if (parsed.success) return new DrawbridgeError({ ...common, code: parsed.data.code });
  return new DrawbridgeError({ ...common, code: "INGEST_REFUSED" });
}

/** Why there was no answer at all. */
export function transportError(cause: unknown, { host, port }: IngestTarget): DrawbridgeError {
  const code = codeOf(cause);
  const where = `monitoring-ingest at ${host}:${port}`;
  if (isOurs(cause)) return cause;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    const points = code === "CERT_NOT_YET_VALID" ? "behind" : "ahead";
    return new DrawbridgeError({
      kind: "unauthenticated",
      code: "INGEST_CERTIFICATE_NOT_VALID_NOW",
      message: `the certificate of ${where} is not valid now by this machine's clock (${code}): it was not renewed in time, or this clock is ${points}`,
      cause,
    });
  }
  if (untrustedCodes.has(code)) {
    return new DrawbridgeError({
      kind: "unauthenticated",
      code: "INGEST_NOT_TRUSTED",
      message: `the certificate of ${where} does not lead to a root that this fabric trusts (${code}): something terminates TLS in between, or it is another control plane`,
      cause,
    });
  }
  if (code.startsWith("ERR_SSL_") && code.includes("ALERT")) {
    return new DrawbridgeError({
      kind: "unauthenticated",
      code: "COLLECTOR_CERTIFICATE_REFUSED",
      message: `${where} refused the monitoring certificate in the TLS handshake (${code})`,
      cause,
    });
  }
  return new DrawbridgeError({
    kind: "unavailable",
    code: "INGEST_UNREACHABLE",
    message: `${where} cannot be reached or stopped answering (${code || "no answer in time"})`,
    cause,
  });
}

/** What pki found wrong with the server's name comes through TLS as it is. */
function isOurs(error: unknown): error is DrawbridgeError {
  return error instanceof DrawbridgeError;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** @throws DrawbridgeError `INGEST_ANSWER_INVALID` (data_loss): more than anything that it has to say */
export async function readBounded(body: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) continue;
    size += chunk.length;
    if (size > maxBytes) {
      throw new DrawbridgeError({
        kind: "data_loss",
        code: "INGEST_ANSWER_INVALID",
        message: `monitoring-ingest gave an answer of more than ${maxBytes} bytes`,
      });
    }
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}
