import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { createLineSplitter } from "./line-splitter.ts";
import type { LogStream } from "./log-files.ts";

export interface OutputPipe {
  /** Give this to the app as its stdout or stderr. */
  readonly descriptor: number;
  /** Hand over what came without a newline, when the app has ended. */
  flush(): void;
  close(): void;
}

/**
 * The reading end of an app's output. The FIFO is opened for reading and writing and handed on like that: so it always has
 * a reader, and an app whose shim was killed does not die of SIGPIPE; what it writes waits in the FIFO (64 KiB) for the
 * next shim, which opens the same path.
 */
export function openOutputPipe(options: {
  readonly path: string;
  readonly stream: LogStream;
  /** @returns false to pause reading until the promise of `drained` resolves. */
  readonly onLine: (stream: LogStream, line: string) => boolean;
  readonly drained: () => Promise<void>;
}): OutputPipe {
  const { stream, onLine } = options;
  const descriptor = openSync(options.path, constants.O_RDWR);
  const reading = openSync(options.path, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd: reading, readable: true, writable: false });
  const splitter = createLineSplitter();

  socket.on("data", (chunk: Buffer) => {
    let isKeepingUp = true;
    for (const line of splitter.push(chunk)) isKeepingUp = onLine(stream, line) && isKeepingUp;
    if (isKeepingUp) return;
    socket.pause();
    void options.drained().then(() => socket.resume()); // drained never rejects
  });
  socket.on("error", () => socket.destroy()); // the folder is being removed: nothing left to read

  return {
    descriptor,
    flush: () => {
      const rest = splitter.flush();
      if (rest !== undefined) onLine(stream, rest);
    },
    close: () => {
      socket.destroy();
      closeSync(descriptor);
    },
  };
}
