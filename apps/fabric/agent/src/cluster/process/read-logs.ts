import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { unitPaths } from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";
import { currentLogName, decodeLogRecord, logPath, rotatedLogNames } from "../../shim/log-files.ts";
import type { LogLine, LogsRequest } from "../cluster-driver.ts";
import { listUnitIds, readAppRecord, type AppPaths } from "./app-folder.ts";
import { appNotFoundError } from "./driver-errors.ts";

const followPollMs = 250;
/** More than the longest record: a line of 64 KiB of control characters, each written as six. */
const chunkBytes = 1_048_576;
const maxTailLines = 10_000;
const newline = 0x0a;

/** How far a replica's log has been read: files are told apart by inode, because rotation renames them. */
interface Position {
  readonly inode: number;
  readonly offset: number;
}

interface LogFile {
  readonly path: string;
  readonly inode: number;
  readonly sizeBytes: number;
}

/**
 * The last lines of each replica in the order of their time, then, if asked, what is added until `signal` aborts.
 *
 * @throws DrawbridgeError `APP_NOT_FOUND` | `REPLICA_NOT_FOUND` (not_found)
 */
export async function* readLogs(
  paths: AppPaths,
  request: LogsRequest,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<LogLine, void, void> {
  if (readAppRecord(paths) === undefined) throw appNotFoundError(request.appId);
  const { replicaId } = request;
  const listReplicas = (): readonly string[] =>
    listUnitIds(paths.replicas).filter((candidate) => replicaId === undefined || candidate === replicaId);
  if (replicaId !== undefined && listReplicas().length === 0) throw appNotFoundError(request.appId, replicaId);

  const positions = new Map<string, Position>();
  const tail: LogLine[] = [];
  for (const name of listReplicas()) {
    const files = await listLogFiles(paths, name);
    const newest = files.at(-1);
    if (newest !== undefined) positions.set(name, { inode: newest.inode, offset: await lastLineEnd(newest) });
    tail.push(...(await readTail(files, name, Math.min(request.tailLines, maxTailLines))));
  }
  yield* inOrder(tail);

  while (request.follow && !signal.aborted) {
    const added: LogLine[] = [];
    for (const name of listReplicas()) added.push(...(await readAdded(paths, name, positions)));
    yield* inOrder(added);
    await clock.sleep(followPollMs, signal).catch(() => undefined); // aborted: the loop ends
  }
}

function inOrder(lines: readonly LogLine[]): readonly LogLine[] {
  return lines.toSorted((left, right) => (left.at?.getTime() ?? 0) - (right.at?.getTime() ?? 0));
}

/** Oldest first. A file that vanishes meanwhile is left out. */
async function listLogFiles(paths: AppPaths, replicaId: string): Promise<readonly LogFile[]> {
  const { logs } = unitPaths(join(paths.replicas, replicaId));
  const names = await readdir(logs).catch(() => []);
  const files: LogFile[] = [];
  for (const name of [...rotatedLogNames(names), currentLogName]) {
    const path = logPath(logs, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined) files.push({ path, inode: found.ino, sizeBytes: found.size });
  }
  return files;
}

async function readTail(files: readonly LogFile[], replicaId: string, count: number): Promise<readonly LogLine[]> {
  const pieces: (readonly LogLine[])[] = [];
  let missing = count;
  for (const file of files.toReversed()) {
    if (missing <= 0) break;
    const piece = await readTailOfFile(file, replicaId, missing);
    missing -= piece.length;
    pieces.push(piece);
  }
  return pieces.toReversed().flat();
}

/** Reads from the end, so that a long file costs no more than what is wanted of it. */
async function readTailOfFile(file: LogFile, replicaId: string, count: number): Promise<readonly LogLine[]> {
  let start = await lastLineEnd(file);
  let bytes = Buffer.alloc(0);
  while (start > 0 && countNewlines(bytes) <= count) {
    const from = Math.max(0, start - chunkBytes);
    bytes = Buffer.concat([await readRange(file, from, start), bytes]);
    start = from;
  }
  const lines = toLines(bytes, replicaId);
  return lines.slice(Math.max(0, lines.length - count));
}

async function readAdded(
  paths: AppPaths,
  replicaId: string,
  positions: Map<string, Position>,
): Promise<readonly LogLine[]> {
  const files = await listLogFiles(paths, replicaId);
  const position = positions.get(replicaId);
  // If the file that was read last is gone, so is what was added to it: go on with the oldest that is left.
  const first = Math.max(
    0,
    files.findIndex((file) => file.inode === position?.inode),
  );
  const lines: LogLine[] = [];
  for (const file of files.slice(first)) {
    const from = file.inode === position?.inode ? position.offset : 0;
    const to = await lastLineEnd(file, from);
    let start = from;
    while (start < to) {
      const end = Math.min(to, start + chunkBytes);
      const bytes = await readRange(file, start, end);
      if (bytes.length === 0) return lines; // rotated at this moment: found under its new name next time
      const cut = bytes.lastIndexOf(newline) + 1 || bytes.length;
      lines.push(...toLines(bytes.subarray(0, cut), replicaId));
      start += cut;
      positions.set(replicaId, { inode: file.inode, offset: start });
    }
    positions.set(replicaId, { inode: file.inode, offset: start });
  }
  return lines;
}

/** Offset after the last newline at or after `from`: what follows is still being written. */
async function lastLineEnd(file: LogFile, from = 0): Promise<number> {
  for (let end = file.sizeBytes; end > from;) {
    const start = Math.max(from, end - chunkBytes);
    const index = (await readRange(file, start, end)).lastIndexOf(newline);
    if (index !== -1) return start + index + 1;
    end = start;
  }
  return from;
}

/** Empty if rotation has removed the file or given its name to another one. */
async function readRange({ path, inode }: LogFile, from: number, to: number): Promise<Buffer> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return Buffer.alloc(0);
  try {
    if ((await file.stat()).ino !== inode) return Buffer.alloc(0);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(to - from), 0, to - from, from);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function toLines(bytes: Buffer, replicaId: string): readonly LogLine[] {
  return bytes
    .toString("utf8")
    .split("\n")
    .flatMap((text) => {
      const record = decodeLogRecord(text);
      return record === undefined ? [] : [{ replicaId, ...record }];
    });
}

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if (byte === newline) count += 1;
  return count;
}
