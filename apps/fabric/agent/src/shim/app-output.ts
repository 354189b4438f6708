import type { UnitPaths } from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";
import type { LogStream } from "./log-files.ts";
import type { LogWriter } from "./log-writer.ts";
import { openOutputPipe } from "./output-pipe.ts";

/** What V8 prints before it aborts at its heap limit. */
const heapFullText = "JavaScript heap out of memory";
/** The exit may be seen before the last output that came before it. */
const settleMs = 100;

export interface AppOutput {
  readonly stdout: number;
  readonly stderr: number;
  beginRun(): void;
  endRun(): void;
  /** Did the process of this run say that its heap is full? Its output is matched, never passed on. */
  saysHeapIsFull(): Promise<boolean>;
  close(): Promise<void>;
}

export function openAppOutput(options: {
  readonly paths: UnitPaths;
  readonly writer: LogWriter;
  readonly clock: Clock;
}): AppOutput {
  const { paths, writer, clock } = options;
  let isHeapFull = false;

  function onLine(stream: LogStream, line: string): boolean {
    if (stream === "stderr" && line.includes(heapFullText)) isHeapFull = true;
    return writer.append({ at: clock.now(), stream, line });
  }
  const drained = () => writer.drained();
  const stdout = openOutputPipe({ path: paths.stdout, stream: "stdout", onLine, drained });
  const stderr = openOutputPipe({ path: paths.stderr, stream: "stderr", onLine, drained });

  return {
    stdout: stdout.descriptor,
    stderr: stderr.descriptor,
    beginRun: () => {
      isHeapFull = false;
    },
    endRun: () => {
      stdout.flush();
      stderr.flush();
    },
    saysHeapIsFull: async () => {
      await clock.sleep(settleMs);
      return isHeapFull;
    },
    close: async () => {
      await clock.sleep(settleMs);
      stdout.flush();
      stderr.flush();
      stdout.close();
      stderr.close();
      await writer.close();
    },
  };
}
