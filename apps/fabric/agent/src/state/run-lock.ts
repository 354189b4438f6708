import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as yieldTurn } from "node:timers/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { errorCodeOf, readFileIfPresent } from "./atomic-file.ts";
import { parseJson } from "./json-file.ts";

const holderSchema = z.object({
  pid: z.number().int().positive(),
  /** Start of the process: a reused pid is somebody else. Empty where the system does not tell. */
  processStart: z.string(),
  since: z.string(),
});
type Holder = z.output<typeof holderSchema>;

/** Held while a process works on the state folder. */
export interface FileLock {
  release(): Promise<void>;
}

/**
 * Take a lock file, for this process's life. A lock whose holder is dead (kill -9, power cut, reused pid) is taken over.
 * @throws DrawbridgeError `STATE_FOLDER_IN_USE` (failed_precondition) that names the holder
 */
export async function acquireLock(options: {
  readonly path: string;
  readonly purpose: string;
  readonly now: Date;
}): Promise<FileLock> {
  const { path, purpose, now } = options;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const own: Holder = { pid: process.pid, processStart: await processStartOf(process.pid), since: now.toISOString() };
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
  await writeFile(temporary, JSON.stringify(own), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 50; attempt += 1) {
      try {
        await link(temporary, path); // fails if it exists: the only step that decides who holds it
        return { release: () => rm(path, { force: true }) };
      } catch (error) {
        if (errorCodeOf(error) !== "EEXIST") throw error;
      }
      const holder = await readHolder(path);
      if (holder && (await isAlive(holder))) throw inUse(path, purpose, holder);
      await removeStale(path, now);
    }
    throw inUse(path, purpose, await readHolder(path));
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Longer than any removal takes: who made the folder died in between. */
const removalTimeoutMs = 10_000;

/**
 * Remove the lock of a dead holder. One at a time, and only after another look: otherwise two who saw the same dead holder
 * could each remove the lock that the other one has just taken.
 */
async function removeStale(path: string, now: Date): Promise<void> {
  const turn = `${path}.removing`;
  try {
    await mkdir(turn, { mode: 0o700 });
  } catch (error) {
    if (errorCodeOf(error) !== "EEXIST") throw error;
    const since = await stat(turn).catch(() => undefined);
    if (since && now.getTime() - since.mtimeMs > removalTimeoutMs) await rmdir(turn).catch(() => undefined);
    await yieldTurn();
    return;
  }
  try {
    // A lock that is gone by now is left alone: what appears after this look is the next holder's.
    const content = await readFileIfPresent(path);
    if (content === undefined) return;
    const holder = parseHolder(content);
    if (!holder || !(await isAlive(holder))) await rm(path, { force: true });
  } finally {
    await rmdir(turn);
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  return parseHolder((await readFileIfPresent(path)) ?? "");
}

function parseHolder(content: string): Holder | undefined {
  const parsed = parseJson(content, holderSchema);
  return parsed.outcome === "parsed" ? parsed.value : undefined;
}

/**
 * Only a look: whoever takes the lock afterwards is told by `acquireLock`.
 * @throws DrawbridgeError `STATE_FOLDER_IN_USE` (failed_precondition) that names the holder
 */
export async function assertNotLocked(options: { readonly path: string; readonly purpose: string }): Promise<void> {
  const holder = await readHolder(options.path);
  if (holder && (await isAlive(holder))) throw inUse(options.path, options.purpose, holder);
}

/** Pid of the process that holds the lock, if one does. */
export async function lockHolder(path: string): Promise<number | undefined> {
  const holder = await readHolder(path);
  return holder && (await isAlive(holder)) ? holder.pid : undefined;
}

async function isAlive(holder: Holder): Promise<boolean> {
  const start = await processStartOf(holder.pid);
  if (holder.pid === process.pid) return start === holder.processStart && holder.processStart !== "";
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (errorCodeOf(error) !== "EPERM") return false;
  }
  return holder.processStart === "" || start === "" || start === holder.processStart;
}

/**
 * Boot and start time of a process on Linux (proc(5), field 22 of stat); empty elsewhere. One that has ended and whose parent
 * did not ask for it yet (field 3: Z) still has its pid, but not its start time: nothing goes on in it.
 */
async function processStartOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    // The command name in field 2 may hold spaces and parentheses: fields are counted from its end.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${bootId.trim()}:${fields[0] === "Z" ? "ended" : (fields[19] ?? "")}`;
  } catch {
    return "";
  }
}

function inUse(path: string, purpose: string, holder: Holder | undefined): DrawbridgeError {
  const who = holder ? `process ${holder.pid}, since ${holder.since}` : "another process";
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "STATE_FOLDER_IN_USE",
    message: `${purpose} is going on in this state folder already (${who}; ${path}): stop it first`,
    ...(holder ? { details: { pid: String(holder.pid) } } : {}),
  });
}
