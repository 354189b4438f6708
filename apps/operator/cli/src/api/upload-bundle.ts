import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { ApiClient } from "./client.ts";

export interface UploadOptions {
  readonly file: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** Never goes back: what is sent again after a broken connection is not told again. */
  readonly onProgress: (sentBytes: number) => void;
  readonly onRetry: (reason: string) => void;
  readonly signal?: AbortSignal;
}

/** Connections that may break before the upload is given up; each goes on where the one before ended. */
const maxAttempts = 5;
/** The answer comes when the bundle is checked and stored, which takes as long as the disks there need. */
const answerTimeoutMs = 3_600_000;

/** Bring a bundle to the control plane, from where an earlier try ended. "stored" if it was there already. */
export async function uploadBundle(api: ApiClient, options: UploadOptions): Promise<"uploaded" | "stored"> {
  let told = -1;
  const onProgress = (sentBytes: number): void => {
    if (sentBytes <= told) return;
    told = sentBytes;
    options.onProgress(sentBytes);
  };
  for (let attempt = 1; ; attempt += 1) {
    const offset = await uploadOffset(api, options.digest);
    if (offset === "complete") return attempt === 1 ? "stored" : "uploaded";
    try {
      await sendFrom(api, { ...options, onProgress }, offset);
      return "uploaded";
    } catch (error) {
      const worthRetry =
        isDrawbridgeError(error) && (error.kind === "unavailable" || error.code === "UPLOAD_OFFSET_MISMATCH");
      if (!worthRetry || attempt >= maxAttempts) throw error;
      options.onRetry(error.message);
    }
  }
}

async function uploadOffset(api: ApiClient, digest: string): Promise<number | "complete"> {
  const path = `/v1/bundles/${digest}`;
  const response = await api.open(path, { method: "HEAD", allow: [404] }).catch(async (error: unknown) => {
    // An answer to HEAD has no body that says why: GET is refused for the same reason, and tells it.
    if (isDrawbridgeError(error, "UNEXPECTED_RESPONSE")) await api.send(path);
    throw error;
  });
  await response.body.dump();
  if (response.statusCode !== 404) return "complete";
  return Number(response.headers["upload-offset"] ?? 0);
}

async function sendFrom(api: ApiClient, options: UploadOptions, offset: number): Promise<void> {
  const counter = { sentBytes: offset };
  options.onProgress(offset);
  const response = await api.open(`/v1/bundles/${options.digest}`, {
    method: "PATCH",
    rawBody: Readable.from(counted(options, counter)),
    headers: {
      "content-type": "application/octet-stream",
      "upload-offset": String(offset),
      "upload-length": String(options.sizeBytes),
      "content-length": String(options.sizeBytes - offset),
    },
    answerTimeoutMs,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  await response.body.dump();
  if (response.statusCode === 201 || response.statusCode === 200) return;
  throw new DrawbridgeError({
    kind: "unavailable",
    code: "UPLOAD_INCOMPLETE",
    message: `the upload of ${options.file} ended early at ${counter.sentBytes} of ${options.sizeBytes} bytes`,
  });
}

/** The bytes from where an earlier try ended, counted as they are taken: a listener on the stream itself would take them away. */
async function* counted(options: UploadOptions, counter: { sentBytes: number }): AsyncGenerator<Buffer> {
  const file: AsyncIterable<Buffer> = createReadStream(options.file, { start: counter.sentBytes });
  for await (const chunk of file) {
    yield chunk;
    counter.sentBytes += chunk.length;
    options.onProgress(counter.sentBytes);
  }
}
