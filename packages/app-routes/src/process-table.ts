import { readdirSync, readFileSync, statSync } from "node:fs";

/**
 * A process that cannot be mistaken for a later one with the same pid: pids are reused, pairs of pid and start time
 * within one boot are not (proc_pid_stat(5), field 22).
 */
export interface ProcessRef {
  readonly pid: number;
  /** Clock ticks since boot, as text: only compared. */
  readonly startTicks: string;
  readonly bootId: string;
}

export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  readonly startTicks: string;
  /**
   * A zombie is dead: nobody has read its exit yet. One whose first thread has ended and others not (a killed process
   * with worker threads, for a moment) still holds its files and listens on its sockets: it is not dead.
   */
  readonly isZombie: boolean;
}

let cachedBootId: string | undefined; // cannot change while this process lives

function currentBootId(): string {
  cachedBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return cachedBootId;
}

/** `undefined` if there is no such process (any more). */
function readProcessEntry(pid: number): ProcessEntry | undefined {
  const text = readProcFile(pid, "stat");
  if (text === undefined) return undefined;
  // The name (field 2) is in parentheses and may itself hold spaces and parentheses: count from the last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parentPid, groupId, sessionId] = fields;
  const threads = fields[17];
  const startTicks = fields[19];
  if (state === undefined || startTicks === undefined) return undefined;
  return {
    pid,
    parentPid: Number(parentPid),
    groupId: Number(groupId),
    sessionId: Number(sessionId),
    startTicks,
    isZombie: (state === "Z" || state === "X") && !(Number(threads) > 1),
  };
}

export function processRef(pid: number): ProcessRef | undefined {
  const entry = readProcessEntry(pid);
  return entry && { pid, startTicks: entry.startTicks, bootId: currentBootId() };
}

export function isAlive(ref: ProcessRef | undefined): ref is ProcessRef {
  if (ref === undefined || ref.bootId !== currentBootId()) return false;
  const entry = readProcessEntry(ref.pid);
  return entry !== undefined && !entry.isZombie && entry.startTicks === ref.startTicks;
}

export function listProcesses(): readonly ProcessEntry[] {
  return listPids()
    .map(readProcessEntry)
    .filter((entry) => entry !== undefined);
}

/**
 * Living processes that belong to `leader`: its process group, its session and their descendants. Holds also after the
 * leader has died: the kernel gives its pid to nobody while a group or session of that number has members. If the pid is
 * somebody else's now, nobody of the family is left.
 */
export function processFamily(leader: ProcessRef, processes = listProcesses()): readonly number[] {
  if (leader.bootId !== currentBootId()) return [];
  const holder = processes.find((entry) => entry.pid === leader.pid);
  if (holder !== undefined && holder.startTicks !== leader.startTicks) return [];
  const living = processes.filter((entry) => !entry.isZombie);
  const members = new Set<number>();
  let added = living.filter(
    (entry) => entry.pid === leader.pid || entry.groupId === leader.pid || entry.sessionId === leader.pid,
  );
  while (added.length > 0) {
    for (const entry of added) members.add(entry.pid);
    added = living.filter((entry) => !members.has(entry.pid) && members.has(entry.parentPid));
  }
  return [...members];
}

/** Is `first` the older process? Of the same tick the one with the lower pid. */
export function isOlder(first: ProcessRef, second: ProcessRef): boolean {
  const difference = BigInt(first.startTicks) - BigInt(second.startTicks);
  return difference === 0n ? first.pid < second.pid : difference < 0n;
}

/**
 * `leaderPid` and its descendants, found by walking down: cheap enough to do twice a second, where a look at every process
 * of the machine is not. Misses what was re-parented; `processFamily` does not.
 */
export function processTree(leaderPid: number): readonly number[] {
  const tree = [leaderPid];
  for (const pid of tree) tree.push(...childrenOf(pid)); // grows while it is walked
  return tree;
}

/**
 * Living processes whose initial environment holds all of `variables`; finds also what left its process group and was
 * never recorded. Processes that may not be inspected are not found.
 */
export function findByEnvironment(variables: Readonly<Record<string, string>>): readonly number[] {
  const wanted = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return listPids().filter((pid) => {
    const environment = readProcFile(pid, "environ")?.split("\0");
    return environment !== undefined && wanted.every((variable) => environment.includes(variable)) && isRunning(pid);
  });
}

/**
 * Living processes of our own user with an argument for which `matches` holds. Others' do not count: an app that runs as
 * another user could pretend to be anything.
 */
export function findByArgument(matches: (argument: string) => boolean): readonly number[] {
  return listPids().filter(
    (pid) => readProcFile(pid, "cmdline")?.split("\0").some(matches) === true && isRunning(pid) && isOurs(pid),
  );
}

/** Name of the program, without arguments, which may hold secrets; `undefined` if unknown. */
export function processName(pid: number): string | undefined {
  return readProcFile(pid, "comm")?.trim();
}

/** Memory that a process cannot give back: anonymous and shared pages, without the files that it maps. */
export function residentBytes(pid: number): number {
  const status = readProcFile(pid, "status") ?? "";
  let kibibytes = 0;
  for (const match of status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)) kibibytes += Number(match[1]);
  return kibibytes * 1_024;
}

/** @returns false if the process is gone. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // gone, or never ours to signal
  }
}

/** Signal exactly this process, never a later one with its pid. */
export function signalProcess(ref: ProcessRef | undefined, signal: NodeJS.Signals): boolean {
  return isAlive(ref) && sendSignal(ref.pid, signal);
}

function childrenOf(pid: number): readonly number[] {
  let threads: readonly string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  return threads.flatMap((thread) => {
    const children = readProcFile(pid, `task/${thread}/children`) ?? "";
    return children.split(" ").filter(Boolean).map(Number);
  });
}

function isOurs(pid: number): boolean {
  try {
    return statSync(`/proc/${pid}`).uid === process.getuid?.();
  } catch {
    return false;
  }
}

function isRunning(pid: number): boolean {
  return readProcessEntry(pid)?.isZombie === false;
}

function listPids(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function readProcFile(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined; // the process ended, or belongs to somebody else
  }
}
