import { constants, zstdCompressSync } from "node:zlib";
import { DrawbridgeError } from "@drawbridge/errors";
import { unpackFrame } from "./zstd-frame.ts";

/** How a body is packed, as its `content-encoding` says. */
export type Packing = "zstd" | "none";

const level = 1;

/** @throws DrawbridgeError `MEDIA_TYPE_UNSUPPORTED` (415) */
export function packingOf(contentEncoding: string | undefined): Packing {
  const text = contentEncoding?.trim().toLowerCase() ?? "";
  if (text === "zstd") return "zstd";
  if (text === "" || text === "identity") return "none";
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "MEDIA_TYPE_UNSUPPORTED",
    message: "a body is packed with zstd, or not at all",
  });
}

/**
 * What a body unpacks to: never more than `limitBytes`, however it was made.
 * @throws DrawbridgeError `BODY_TOO_LARGE` (413) | `BODY_MALFORMED` (invalid_argument)
 */
export function unpackBody(body: Uint8Array, packing: Packing, limitBytes: number): Uint8Array {
  if (packing === "none") {
    if (body.length > limitBytes) throw tooLarge(limitBytes);
    return body;
  }
  try {
    return unpackFrame(body, limitBytes);
  } catch (error) {
    const isTooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    if (isTooLarge) throw tooLarge(limitBytes);
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "BODY_MALFORMED",
      message: "the body is no zstd frame",
      cause: error,
    });
  }
}

/** One zstd frame: what gateways send, and what waits in the queue. */
export function packBatch(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } });
}

function tooLarge(limitBytes: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "BODY_TOO_LARGE",
    message: `the body unpacks to more than ${limitBytes} bytes`,
  });
}
