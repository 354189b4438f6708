import { readdirSync, readFileSync } from "node:fs";

/** `getconf CLK_TCK` of every Linux that we know. */
const microsPerTick = 10_000;

/** User and system time of a process and of those that it has started, in microseconds. */
export function processMicros(pid: number): number {
  let ticks = ticksOf(pid);
  for (const child of childrenOf(pid)) ticks += ticksOf(child);
  return ticks * microsPerTick;
}

interface CoreMicros {
  /** Whoever it worked for, and what the hypervisor gave to others. */
  readonly busy: number;
  /** Network, for whoever runs there. */
  readonly softirq: number;
}

export function coreMicros(core: number): CoreMicros {
  const line = readFileSync("/proc/stat", "utf8")
    .split("\n")
    .find((one) => one.startsWith(`cpu${core} `));
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (line ?? "")
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return {
    busy: (user + nice + system + irq + softirq + steal) * microsPerTick,
    softirq: softirq * microsPerTick,
  };
}

function ticksOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
      .split(" ")
      .filter((child) => child !== "")
      .map(Number),
  );
}
