import { isDrawbridgeError, type DrawbridgeError } from "@drawbridge/errors";

/** The first of the objects asked for, in that order (gateway_service.proto). */
export type GetObjects = (digests: readonly string[]) => Promise<readonly Uint8Array[]>;

export interface FetchResult {
  /** Not given, or not what the digest names. */
  readonly failed: readonly string[];
  /** Nobody answered: the rest was not asked for. */
  readonly unavailable: DrawbridgeError | undefined;
}

/** As many as one question may name. */
const batchSize = 256;
const parallelBatches = 4;

/**
 * Ask for objects in batches. One that nobody has fails a whole question, so such a batch is halved until the rest of it is
 * here: a missing object touches only the APIs that need it.
 * @param accept false: these bytes are not what the digest names
 */
export async function fetchObjects(
  digests: readonly string[],
  {
    getObjects,
    accept,
  }: { readonly getObjects: GetObjects; readonly accept: (digest: string, bytes: Uint8Array) => boolean },
): Promise<FetchResult> {
  const batches: (readonly string[])[] = [];
  for (let at = 0; at < digests.length; at += batchSize) batches.push(digests.slice(at, at + batchSize));
  const failed: string[] = [];
  let unavailable: DrawbridgeError | undefined;

  function take(batch: readonly string[], objects: readonly Uint8Array[]): void {
    const answered = Math.min(objects.length, batch.length);
    if (answered === 0) return void failed.push(...batch);
    for (const [index, digest] of batch.slice(0, answered).entries()) {
      if (!accept(digest, objects[index] ?? new Uint8Array())) failed.push(digest);
    }
    if (answered < batch.length) batches.unshift(batch.slice(answered));
  }

  function split(batch: readonly string[]): void {
    if (batch.length === 1) return void failed.push(...batch);
    const middle = Math.ceil(batch.length / 2);
    batches.unshift(batch.slice(0, middle), batch.slice(middle));
  }

  async function work(): Promise<void> {
    for (let batch = batches.shift(); batch !== undefined && unavailable === undefined; batch = batches.shift()) {
      try {
        take(batch, await getObjects(batch));
      } catch (error) {
        if (!isDrawbridgeError(error)) throw error;
        if (error.kind === "not_found") split(batch);
        else unavailable = error;
      }
    }
  }

  await Promise.all(Array.from({ length: parallelBatches }, work));
  return { failed, unavailable };
}
