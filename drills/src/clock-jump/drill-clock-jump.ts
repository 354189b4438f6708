import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressOf, eventually, startLoad, startTestStack, type TestStack } from "@drawbridge/local/testing";
import { systemClock } from "@drawbridge/lifecycle";
import type { Drill } from "../drill.ts";
import { readTunnelStatus, type TunnelStatus, tunnelStatus } from "../stack/agent-status.ts";
import { changedReplicas, currentApp } from "../stack/replicas.ts";
import { createFakeTime, type FakeTime } from "./fake-time.ts";
import { findFakeTime } from "./find-fake-time.ts";

const hour = 3_600;
const day = 24 * hour;

export interface Jump {
  readonly whose: "agent" | "control plane";
  readonly aheadSeconds: number;
  readonly says: string;
}

/** Design R26 e. */
export const jumps: readonly Jump[] = [
  { whose: "agent", aheadSeconds: hour, says: "the agent's clock 1 h ahead" },
  { whose: "agent", aheadSeconds: -hour, says: "the agent's clock 1 h behind" },
  { whose: "agent", aheadSeconds: 40 * day, says: "the agent's clock 40 days ahead" },
  { whose: "control plane", aheadSeconds: hour, says: "the control plane's clocks 1 h ahead" },
  { whose: "control plane", aheadSeconds: -hour, says: "the control plane's clocks 1 h behind" },
  { whose: "control plane", aheadSeconds: 40 * day, says: "the control plane's clocks 40 days ahead" },
];

const defaultRounds = jumps.length;
const services = [
  "cert-authority",
  "activation",
  "runtime-manager",
  "config-resolver",
  "api-manager",
  "monitoring-ingest",
  "analytics-ingest",
  "alerting",
  "management-api",
];
/** So long the processes that run live with the wrong clock before the agent is started under it. */
const underRunningMs = 3_000;
/** A tunnel without a sign of life is dead after three seconds, so that a suspended agent is missed soon. */
const liveness = {
  DRAWBRIDGE_HEARTBEAT_MS: "1000",
  DRAWBRIDGE_DEAD_AFTER_MS: "3000",
  DRAWBRIDGE_DISCONNECTED_AFTER_MS: "6000",
  DRAWBRIDGE_IDENTITY_CHECK_MS: "1000",
};

/** Wall clocks jump while the processes run and while they start; at the end the agent stands still for a while. */
export const drillClockJump: Drill = async ({ rounds = defaultRounds, say }) => {
  const library = await findFakeTime();
  if ("missing" in library) throw new Error(library.missing);
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-clocks-"));
  try {
    const clocks = {
      agent: await createFakeTime(library.path, join(folder, "agent")),
      "control plane": await createFakeTime(library.path, join(folder, "control-plane")),
    };
    return await jumpAll({ clocks, wanted: Array.from({ length: rounds }, (_, round) => jumpOf(round)), say });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

async function jumpAll(options: {
  readonly clocks: Readonly<Record<Jump["whose"], FakeTime>>;
  readonly wanted: readonly Jump[];
  readonly say: (line: string) => void;
}): ReturnType<Drill> {
  const { clocks, wanted, say } = options;
  const ofControlPlane = clocks["control plane"].environment;
  await using stack = await startTestStack({
    overrides: {
      ...Object.fromEntries(services.map((name) => [name, ofControlPlane])),
      "runtime-manager": { ...ofControlPlane, ...liveness },
      agent: clocks.agent.environment,
      "monitoring-collector": clocks.agent.environment,
    },
  });
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2");
  const load = startLoad(addressOf(app), 2, 10);
  const silent: string[] = [];
  let refused = 0;
  for (const [index, jump] of wanted.entries()) {
    const said = await jumpOnce(stack, clocks[jump.whose], jump);
    const shown = said.status === "connected" ? "connected" : `${said.code ?? ""} ${said.message ?? ""}`;
    if (said.status !== "connected") {
      refused += 1;
      if (!/clock/i.test(said.message ?? "")) silent.push(`${jump.says}: ${shown}`);
    }
    say(`${index + 1}/${wanted.length}  ${jump.says}: ${shown}; right again: the tunnel is up`);
  }
  await suspend(stack);
  say("the agent stood still until it was missed, and is back");
  const { answered, failures } = await load.stop();
  const now = await currentApp(stack, app.name);
  return {
    figures: {
      "clocks set": { value: wanted.length, unit: "jumps" },
      "could not connect meanwhile": { value: refused, unit: "jumps" },
      "requests answered": { value: answered, unit: "requests" },
    },
    invariants: {
      "no request fails": failures,
      "who cannot connect says that a clock is wrong": silent,
      "apps are untouched": changedReplicas(app, now),
    },
  };
}

/** Set a clock under running processes, then under an agent that starts, then right again. */
async function jumpOnce(stack: TestStack, clock: FakeTime, jump: Jump): Promise<TunnelStatus> {
  const agent = stack.stack.service("agent");
  const { agent: stateDir } = stack.stack.layout;
  await clock.jump(jump.aheadSeconds);
  await systemClock.sleep(underRunningMs);
  await agent.stop();
  agent.start();
  // A status that this process wrote: connected in spite of the clock, or why not.
  const said = await eventually(async () => {
    const status = await readTunnelStatus(stateDir);
    const isSaid = status.status === "connected" || status.code !== undefined;
    return status.pid === agent.pid && isSaid ? status : undefined;
  });
  await clock.jump(0);
  await tunnelStatus(stateDir, ({ status }) => status === "connected");
  return said;
}

/** The agent's process stands still for longer than its heartbeat may be late. */
async function suspend(stack: TestStack): Promise<void> {
  const agent = stack.stack.service("agent");
  agent.suspend();
  await systemClock.sleep(2 * Number(liveness.DRAWBRIDGE_DISCONNECTED_AFTER_MS));
  agent.resume();
  await eventually(async () => {
    const { status } = await readTunnelStatus(stack.stack.layout.agent);
    const shown = await stack.run("fabric", "show", "local", "-o", "json");
    const { state } = JSON.parse(shown) as { readonly state: string };
    return status === "connected" && state === "connected" ? true : undefined;
  });
}

function jumpOf(round: number): Jump {
  const jump = jumps[round % jumps.length];
  if (jump === undefined) throw new Error("there are no jumps");
  return jump;
}
