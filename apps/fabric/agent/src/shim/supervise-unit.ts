import {
  isAlive,
  type ProcessRef,
  processTree,
  readUnitWish,
  unitCgroup,
  unitMarker,
  type UnitPaths,
  type UnitSpec,
} from "@drawbridge/app-routes";
import type { Clock, Random } from "@drawbridge/lifecycle";
import { fullJitterDelayMs } from "@drawbridge/lifecycle";
import { appEnvironment } from "./app-environment.ts";
import { adoptApp, endProcesses, startApp, type AppProcess } from "./app-process.ts";
import { choosePorts } from "./choose-ports.ts";
import { describeExit, isAbort } from "./describe-exit.ts";
import { openUnitCgroup, type UnitCgroup } from "./unit-cgroup.ts";
import { watchMemory } from "./memory-watch.ts";
import type { AppOutput } from "./app-output.ts";
import { watchReadiness } from "./watch-readiness.ts";
import type { StateKeeper } from "./state-keeper.ts";

/*
 * Invariants:
 * - At most one process family of a unit lives: before each start every survivor of the one before is killed.
 * - The process is recorded as soon as it runs; whatever ends this shim leaves it findable, by record or by its environment.
 * - Nothing here waits for the disk, the agent or the control plane.
 */
export interface SuperviseOptions {
  readonly spec: UnitSpec;
  readonly paths: UnitPaths;
  /** `undefined`: watch what runs, but do not start it again. */
  readonly secrets: Readonly<Record<string, string>> | undefined;
  readonly state: StateKeeper;
  readonly output: AppOutput;
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Keep the unit's process running until `stopping` aborts; then end it and resolve. */
export async function superviseUnit(options: SuperviseOptions, stopping: AbortSignal): Promise<void> {
  const { spec, secrets, state, clock } = options;
  const marker = unitMarker(spec);
  const cgroup = openCgroup(spec);
  let leader = state.current().app;
  let running: AppProcess | undefined = isAlive(leader) ? adoptApp(leader, clock) : undefined;
  let attempt = 0;

  while (!stopping.aborted) {
    if (running === undefined) {
      await endProcesses({ leader, marker, graceMs: 0, clock });
      if (secrets === undefined) break;
      const started = await start(options, secrets);
      if ("kind" in started) {
        attempt += 1;
        await waitToRestart(options, { exit: describeExit(started, { outOfMemory: false }), attempt }, stopping);
        continue;
      }
      running = started;
      leader = started.ref;
    }
    const startedAtMs = clock.monotonicMs();
    const outcome = await watch({ ...options, cgroup }, running, stopping);
    if (outcome.kind === "stop") break;

    await endProcesses({ leader, marker, graceMs: 0, clock });
    running = undefined;
    attempt = clock.monotonicMs() - startedAtMs >= spec.restart.resetAfterMs ? 1 : attempt + 1;
    if (secrets === undefined) {
      state.update({ app: undefined, lastExit: outcome.exit, exits: state.current().exits + 1 });
      break;
    }
    await waitToRestart(options, { exit: outcome.exit, attempt }, stopping);
  }
  await stop(options, leader);
  cgroup?.remove();
}

function openCgroup(spec: UnitSpec): UnitCgroup | undefined {
  const { memoryLimitBytes, cpuLimitMillis } = spec;
  const directory = unitCgroup(spec);
  if (directory === undefined || memoryLimitBytes === undefined) return undefined;
  return openUnitCgroup({
    directory,
    memoryBytes: memoryLimitBytes,
    cpuMillis: cpuLimitMillis,
  });
}

async function start(options: SuperviseOptions, secrets: Readonly<Record<string, string>>) {
  const { spec, state, output, clock } = options;
  let ports: Readonly<Record<string, number>>;
  try {
    ports = await choosePorts({
      names: spec.ports.map((port) => port.name),
      previous: state.current().ports,
      range: spec.portRange,
      random: options.random,
    });
  } catch {
    return { kind: "not_started", reason: "no free port" } as const;
  }
  const started = await startApp({
    command: spec.command,
    workingDirectory: spec.workingDirectory,
    environment: appEnvironment({ spec, secrets, ports, home: options.paths.home, path: options.path }),
    stdout: output.stdout,
    stderr: output.stderr,
    runAs: spec.runAs,
  });
  if ("kind" in started) return started;
  const isFirst = state.current().startedAt === undefined;
  state.update({
    app: started.ref,
    ports,
    phase: "starting",
    startedAt: clock.now(),
    restarts: state.current().restarts + (isFirst ? 0 : 1),
  });
  return started;
}

type WatchOutcome = { readonly kind: "exit"; readonly exit: string } | { readonly kind: "stop" };

/** Until the process ends or the unit is to stop: probe it, watch its memory. */
async function watch(
  options: SuperviseOptions & { readonly cgroup: UnitCgroup | undefined },
  running: AppProcess,
  stopping: AbortSignal,
): Promise<WatchOutcome> {
  const { spec, state, output, clock, cgroup } = options;
  const over = new AbortController();
  const until = AbortSignal.any([stopping, over.signal]);
  /** Anything but the end of the watch is a fault of ours: it ends the shim, and the next one adopts the process. */
  const unlessOver = (error: unknown): void => {
    if (!until.aborted) throw error;
  };
  output.beginRun();
  const killsBefore = cgroup?.oomKills() ?? 0;
  for (const pid of processTree(running.ref.pid)) cgroup?.add(pid);
  const readiness = watchReadiness({ spec, state, leader: running.ref, clock }, until).catch(unlessOver);
  let isOverLimit = false;
  async function limitMemory(limitBytes: number): Promise<void> {
    await watchMemory({ leaderPid: running.ref.pid, limitBytes, clock }, until);
    isOverLimit = true;
    await endProcesses({ leader: running.ref, marker: unitMarker(spec), graceMs: 0, clock });
  }
  const limit = cgroup === undefined ? spec.memoryLimitBytes : undefined;
  const memory = limit === undefined ? undefined : limitMemory(limit).catch(unlessOver);
  const stopped = new Promise<"stop">((resolve) => {
    if (stopping.aborted) resolve("stop");
    stopping.addEventListener("abort", () => resolve("stop"), { once: true, signal: over.signal });
  });

  const first = await Promise.race([running.exited, stopped]);
  over.abort();
  await Promise.all([memory, readiness]);
  if (first === "stop") return { kind: "stop" };
  const isHeapFull = isAbort(first) && (await output.saysHeapIsFull());
  const outOfMemory = isOverLimit || isHeapFull || (cgroup?.oomKills() ?? 0) > killsBefore;
  return { kind: "exit", exit: describeExit(first, { outOfMemory }) };
}

async function waitToRestart(
  { spec, state, output, clock, random }: SuperviseOptions,
  { exit, attempt }: { readonly exit: string; readonly attempt: number },
  stopping: AbortSignal,
): Promise<void> {
  output.endRun();
  const before = state.current();
  state.update({
    app: undefined,
    phase: "crashed",
    lastExit: exit,
    exits: before.exits + 1,
    lastReadyAt: before.phase === "ready" ? clock.now() : before.lastReadyAt,
  });
  const { baseMs, capMs } = spec.restart;
  // The floor keeps a command that fails at once from spinning when the draw is near 0.
  const delayMs = fullJitterDelayMs({ attempt: attempt - 1, baseMs, capMs, floorMs: baseMs / 2, random });
  await clock.sleep(delayMs, stopping).catch(() => undefined); // the caller looks at `stopping`
}

async function stop({ spec, paths, state, output, clock }: SuperviseOptions, leader: ProcessRef | undefined) {
  state.update({ phase: "draining" });
  const wish = readUnitWish(paths);
  const graceMs =
    wish?.wish === "stop" ? Math.max(0, wish.deadlineAt.getTime() - clock.now().getTime()) : spec.stopGraceMs;
  await endProcesses({ leader, marker: unitMarker(spec), graceMs, clock });
  output.endRun();
  state.update({ app: undefined, phase: "stopped" });
}
