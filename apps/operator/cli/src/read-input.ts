import type { Readable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";

const limitBytes = 64 * 1024;

/** @throws DrawbridgeError `INPUT_TOO_LARGE` (invalid_argument) above 64 KiB */
export async function readStandardInput(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    sizeBytes += bytes.length;
    if (sizeBytes > limitBytes) {
      throw new DrawbridgeError({
        kind: "invalid_argument",
        code: "INPUT_TOO_LARGE",
        message: `standard input is larger than ${limitBytes / 1024} KiB`,
      });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}
