import { mkdir, open, readdir, rename, unlink, type FileHandle } from "node:fs/promises";
import {
  currentLogName,
  encodeLogRecord,
  logPath,
  rotatedLogName,
  rotatedLogNames,
  type LogRecord,
} from "./log-files.ts";

/** Above this the reader of the app's output pauses until the disk has caught up. */
const highWaterBytes = 1_048_576;

export interface LogWriter {
  /** @returns false when the writer is behind: wait for `drained` before the next one. */
  append(record: LogRecord): boolean;
  /** Resolves when everything appended so far is on disk, or dropped because the disk is full. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Writes JSON lines, bounded by `maxFileBytes` times `maxFiles`. Never rejects and never grows: what a full disk does not
 * take is dropped and counted, and the count is written once there is room again.
 */
export function createLogWriter(options: {
  readonly directory: string;
  readonly maxFileBytes: number;
  readonly maxFiles: number;
}): LogWriter {
  const { directory } = options;
  let pending: string[] = [];
  let latestAt = new Date(0);
  let pendingBytes = 0;
  let droppedLines = 0;
  let file: FileHandle | undefined;
  let fileBytes = 0;
  let writing: Promise<void> | undefined;

  async function openCurrent(): Promise<FileHandle> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const handle = await open(logPath(directory, currentLogName), "a", 0o600);
    fileBytes = (await handle.stat()).size;
    return handle;
  }

  async function rotate(handle: FileHandle): Promise<void> {
    await handle.close();
    file = undefined;
    const rotated = rotatedLogNames(await readdir(directory));
    const sequence = Number.parseInt(rotated.at(-1) ?? "0", 10) + 1;
    await rename(logPath(directory, currentLogName), logPath(directory, rotatedLogName(sequence)));
    const keep = Math.max(0, options.maxFiles - 1);
    const surplus = [...rotated, rotatedLogName(sequence)].slice(0, -keep || undefined);
    for (const name of surplus) await unlink(logPath(directory, name));
  }

  async function writeBatch(lines: readonly string[]): Promise<void> {
    file ??= await openCurrent();
    if (fileBytes >= options.maxFileBytes) {
      await rotate(file);
      file = await openCurrent();
    }
    // A batch that a full disk cut short leaves half a record: begin on a new line, so that only that one is lost.
    const note = droppedLines > 0 ? `\n${droppedNote(droppedLines, latestAt)}` : "";
    const bytes = Buffer.from(note + lines.join(""));
    await file.appendFile(bytes);
    fileBytes += bytes.length;
    droppedLines = 0;
  }

  async function writeAll(): Promise<void> {
    while (pending.length > 0) {
      const batch = pending;
      pending = [];
      pendingBytes = 0;
      try {
        await writeBatch(batch);
      } catch {
        droppedLines += batch.length; // disk full or folder gone: the app goes on, its output does not
        await file?.close().catch(() => undefined);
        file = undefined;
      }
    }
  }

  function startWriting(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined;
      if (pending.length > 0) void startWriting(); // appended after the last look
    });
    return writing;
  }

  return {
    append(record) {
      const line = encodeLogRecord(record);
      pending.push(line);
      pendingBytes += line.length;
      latestAt = record.at;
      void startWriting(); // never rejects
      return pendingBytes < highWaterBytes;
    },
    drained: async () => {
      while (pending.length > 0 || writing !== undefined) await startWriting();
    },
    close: async () => {
      while (pending.length > 0 || writing !== undefined) await startWriting();
      await file?.close().catch(() => undefined);
      file = undefined;
    },
  };
}

function droppedNote(lines: number, at: Date): string {
  return encodeLogRecord({
    at,
    stream: "stderr",
    line: `[drawbridge] ${lines} lines were dropped because they could not be written to disk`,
  });
}
