import { Readable } from "node:stream";

export interface ByteStreamOptions<M> {
  /** Opens the source; `signal` ends it. */
  readonly open: (signal: AbortSignal) => AsyncIterable<M>;
  readonly bytesOf: (message: M) => Uint8Array;
  /** What an error of the source means for the reader. */
  readonly describe: (error: unknown) => unknown;
  /** Aborts when the reader goes away, or this process stops. */
  readonly signal: AbortSignal;
}

/**
 * The bytes of a file, read from their source only as fast as the reader takes them. Rejects when the source fails before its
 * first byte; later the stream breaks off, and so does the connection: half a file never looks like a whole one.
 */
export async function openByteStream<M>(options: ByteStreamOptions<M>): Promise<Readable> {
  const closing = new AbortController();
  const source = options.open(AbortSignal.any([options.signal, closing.signal]))[Symbol.asyncIterator]();
  const next = (): Promise<IteratorResult<M>> =>
    source.next().catch((error: unknown) => {
      closing.abort();
      throw options.describe(error);
    });

  async function* bytes(first: IteratorResult<M>): AsyncGenerator<Uint8Array> {
    try {
      for (let step = first; step.done !== true; step = await next()) {
        options.signal.throwIfAborted();
        yield options.bytesOf(step.value);
      }
    } finally {
      closing.abort();
    }
  }

  const stream = Readable.from(bytes(await next()), { objectMode: false });
  // A reader that goes away before it read anything never starts the generator, whose end would close the source.
  stream.once("close", () => closing.abort());
  return stream;
}
