import { join } from "node:path";

export type LogStream = "stdout" | "stderr";

/** The file that is written to. Older ones are `<sequence>.jsonl`, growing. */
export const currentLogName = "current.jsonl";

export function logPath(directory: string, name: string): string {
  return join(directory, name);
}

export function rotatedLogName(sequence: number): string {
  return `${String(sequence).padStart(8, "0")}.jsonl`;
}

/** Names of rotated files, oldest first. */
export function rotatedLogNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => /^\d{8}\.jsonl$/.test(name)).toSorted();
}

export interface LogRecord {
  readonly at: Date;
  readonly stream: LogStream;
  readonly line: string;
}

export function encodeLogRecord(record: LogRecord): string {
  return `${JSON.stringify({ at: record.at.toISOString(), stream: record.stream, line: record.line })}\n`;
}

/** `undefined` for what is not a whole record: a line cut by a full disk. */
export function decodeLogRecord(text: string): LogRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (!("at" in value) || !("stream" in value) || !("line" in value)) return undefined;
  const { at, stream, line } = value;
  if (typeof at !== "string" || typeof line !== "string" || (stream !== "stdout" && stream !== "stderr"))
    return undefined;
  return { at: new Date(at), stream, line };
}
