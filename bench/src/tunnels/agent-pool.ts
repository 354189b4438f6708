import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { HostCommand, HostReport, HostTarget } from "./agent-protocol.ts";

type Applied = Extract<HostReport, { report: "applied" }>;

/** Agents in processes of their own, so that their memory and time are not the server's nor the bench's. */
export interface AgentPool extends AsyncDisposable {
  /** Connect agents [0, count); resolves with how long it took. */
  connect(target: HostTarget, count: number): Promise<{ readonly durationMs: number }>;
  disconnect(from: number, to: number): Promise<void>;
  /** Resolves with the instants at which `count` agents were connected again after this call. */
  reconnected(count: number): Promise<readonly number[]>;
  onApplied(listener: (applied: Applied) => void): void;
  readonly refusals: ReadonlyMap<string, number>;
  readonly pids: readonly number[];
}

const processes = 2;
/** Handshakes under way at once, over all processes. */
const inFlight = 48;

export function startAgentPool(agentFile: string): AgentPool {
  const program = fileURLToPath(new URL("agent-host.ts", import.meta.url));
  const hosts = Array.from({ length: processes }, () =>
    fork(program, [agentFile], { env: { PATH: process.env["PATH"] ?? "" } }),
  );
  const listeners = new Set<(report: HostReport) => void>();
  const refusals = new Map<string, number>();
  for (const host of hosts) {
    host.on("message", (message) => {
      const report = message as HostReport; // our own program
      if (report.report === "refused") refusals.set(report.reason, (refusals.get(report.reason) ?? 0) + 1);
      for (const listener of listeners) listener(report);
    });
  }
  const tell = (host: ChildProcess, command: HostCommand): void => void host.send(command);

  /** Resolves with `count` reports that `pick` answers for. */
  function collect<T>(count: number, pick: (report: HostReport) => T | undefined): Promise<readonly T[]> {
    const found: T[] = [];
    return new Promise((resolve) => {
      const listener = (report: HostReport): void => {
        const picked = pick(report);
        if (picked === undefined) return;
        found.push(picked);
        if (found.length < count) return;
        listeners.delete(listener);
        resolve(found);
      };
      listeners.add(listener);
    });
  }

  function shares(
    from: number,
    to: number,
  ): readonly { readonly host: ChildProcess; readonly from: number; readonly to: number }[] {
    const size = Math.ceil((to - from) / hosts.length);
    return hosts.map((host, n) => ({
      host,
      from: Math.min(to, from + n * size),
      to: Math.min(to, from + (n + 1) * size),
    }));
  }

  return {
    refusals,
    pids: hosts.map((host) => host.pid ?? 0),
    connect: async (target, count) => {
      const startedMs = performance.now();
      const connected = collect(count, (report) => (report.report === "connected" ? report.agent : undefined));
      for (const { host, from, to } of shares(0, count)) {
        tell(host, { command: "connect", target, from, to, inFlight: inFlight / hosts.length });
      }
      await connected;
      return { durationMs: performance.now() - startedMs };
    },
    disconnect: async (from, to) => {
      const done = collect(hosts.length, (report) => (report.report === "disconnected" ? true : undefined));
      // Every process is told of all: it closes those that it has.
      for (const host of hosts) tell(host, { command: "disconnect", from, to });
      await done;
    },
    reconnected: (count) =>
      collect(count, (report) => (report.report === "connected" && report.isReconnect ? report.atMs : undefined)),
    onApplied: (listener) => {
      listeners.add((report) => {
        if (report.report === "applied") listener(report);
      });
    },
    [Symbol.asyncDispose]: () => {
      for (const host of hosts) host.kill("SIGKILL");
      return Promise.resolve();
    },
  };
}
