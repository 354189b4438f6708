import { createReadStream } from "node:fs";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { ApiClient } from "./client.ts";

export interface UploadOptions {
  readonly file: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly onProgress: (sentBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Connections that may break before the upload is given up; each goes on where the one before ended. */
const maxAttempts = 5;

/** Bring a bundle to the control plane, from where an earlier try ended. "stored" if it was there already. */
export async function uploadBundle(api: ApiClient, options: UploadOptions): Promise<"uploaded" | "stored"> {
  for (let attempt = 1; ; attempt += 1) {
    const offset = await uploadOffset(api, options.digest);
    if (offset === "complete") return attempt === 1 ? "stored" : "uploaded";
    try {
      await sendFrom(api, options, offset);
      return "uploaded";
    } catch (error) {
      const worthRetry =
        isDrawbridgeError(error) && (error.kind === "unavailable" || error.code === "UPLOAD_OFFSET_MISMATCH");
      if (!worthRetry || attempt >= maxAttempts) throw error;
    }
  }
}

async function uploadOffset(api: ApiClient, digest: string): Promise<number | "complete"> {
  const response = await api.open(`/v1/bundles/${digest}`, { method: "HEAD", allow: [404] });
  await response.body.dump();
  if (response.statusCode !== 404) return "complete";
  return Number(response.headers["upload-offset"] ?? 0);
}

async function sendFrom(api: ApiClient, options: UploadOptions, offset: number): Promise<void> {
  let sentBytes = offset;
  options.onProgress(sentBytes);
  const file = createReadStream(options.file, { start: offset });
  file.on("data", (chunk) => {
    sentBytes += chunk.length;
    options.onProgress(sentBytes);
  });
  const response = await api.open(`/v1/bundles/${options.digest}`, {
    method: "PATCH",
    rawBody: file,
    headers: {
      "content-type": "application/octet-stream",
      "upload-offset": String(offset),
      "upload-length": String(options.sizeBytes),
    },
    ...(options.signal ? { signal: options.signal } : {}),
  });
  await response.body.dump();
  if (response.statusCode === 201 || response.statusCode === 200) return;
  throw new DrawbridgeError({
    kind: "unavailable",
    code: "UPLOAD_INCOMPLETE",
    message: `the upload of ${options.file} ended early at ${sentBytes} of ${options.sizeBytes} bytes`,
  });
}
