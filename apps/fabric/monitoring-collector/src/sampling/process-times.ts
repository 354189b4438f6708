import { readFileSync } from "node:fs";
import type { ProcessTimes } from "./cpu-reading.ts";

/** proc_pid_stat(5) counts in clock ticks, of which Linux shows 100 a second to every program, whatever its kernel was built with. */
const tickMs = 10;

export interface ProcessLook {
  /** Of this process and no later one with its pid. */
  readonly key: string;
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  readonly startTicks: string;
  readonly times: ProcessTimes;
}

/** `undefined` if there is no such process (any more). A zombie still has its times. */
export function lookAtProcess(pid: number): ProcessLook | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // it has ended
  }
  return parseProcessStat(pid, text);
}

/** The name (field 2) is in parentheses and may itself hold spaces and parentheses: count from the last one. */
export function parseProcessStat(pid: number, text: string): ProcessLook | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const startTicks = fields[19];
  if (startTicks === undefined) return undefined;
  const number = (index: number): number => Number(fields[index] ?? 0);
  return {
    key: `${pid}:${startTicks}`,
    pid,
    parentPid: number(1),
    groupId: number(2),
    sessionId: number(3),
    startTicks,
    times: { ownMs: (number(11) + number(12)) * tickMs, waitedMs: (number(13) + number(14)) * tickMs },
  };
}
