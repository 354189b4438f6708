import { once } from "node:events";

interface Call<T> {
  write(message: T): boolean;
  once(event: "drain", listener: () => void): unknown;
}

/** As fast as the caller takes it; a caller that hangs up ends the source. */
export async function sendAll<T>(
  call: Call<T> & NodeJS.EventEmitter,
  source: AsyncIterable<T>,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of source) {
    if (signal.aborted) return;
    if (!call.write(message)) await once(call, "drain", { signal });
  }
}
