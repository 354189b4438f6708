import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  addressOf,
  createExtraAgent,
  eventually,
  type ExtraAgent,
  startLoad,
  startTestStack,
  type TestStack,
} from "@drawbridge/local/testing";
import type { Drill } from "../drill.ts";
import { readTunnelStatus, tunnelStatus } from "../stack/agent-status.ts";
import { drillSettings } from "../stack/drill-settings.ts";
import { readFabricIdentity } from "../stack/fabric-identity.ts";
import { changedReplicas, currentApp } from "../stack/replicas.ts";
import { listCertificates, rest, showFabric } from "../stack/rest.ts";

interface Way {
  readonly copyRun: string;
  /** Why both are locked. */
  readonly reason: "DUPLICATE_AGENT" | "STALE_JOIN_STATE";
  /** How the operator brings the original back, after making sure that the copy is off. */
  readonly back: readonly string[];
  readonly run: (stack: TestStack, copy: ExtraAgent) => Promise<void>;
}

const ways: readonly Way[] = [
  {
    copyRun: "beside the original",
    reason: "DUPLICATE_AGENT",
    back: ["--allow"],
    run: async (stack, copy) => {
      await renew(stack); // so that neither of them does so meanwhile
      await copyState(stack, copy);
      copy.agent.start();
    },
  },
  {
    copyRun: "after the original had renewed",
    reason: "STALE_JOIN_STATE",
    back: ["--new-token"],
    run: async (stack, copy) => {
      await copyState(stack, copy);
      await renew(stack);
      await untilSuperseded(stack, copy.stateDir);
      copy.agent.start();
    },
  },
  {
    copyRun: "while the original was off, and renewed",
    reason: "STALE_JOIN_STATE",
    back: ["--allow", "--accept-any-join-state"],
    run: async (stack, copy) => {
      await copyState(stack, copy);
      const original = stack.stack.service("agent");
      await original.stop();
      copy.agent.start();
      await tunnelStatus(copy.stateDir, ({ status }) => status === "connected");
      await copy.cli("renew", "--now");
      await untilSuperseded(stack, stack.stack.layout.agent);
      original.start();
    },
  },
  {
    copyRun: "after the copied certificate had expired",
    reason: "STALE_JOIN_STATE",
    back: ["--new-token"],
    run: async (stack, copy) => {
      await copyState(stack, copy);
      await untilExpired(copy);
      copy.agent.start();
    },
  },
];

const defaultRounds = ways.length;
/** What a copy of a disk holds; apps run elsewhere. */
const copied = ["identity", "monitoring", "trust", "recovery"];

/** The agent's state folder is copied and the copy run: while the original lives, or is off, or when the copy is old. */
export const drillCloneDetection: Drill = async ({ rounds = defaultRounds, say }) => {
  await using stack = await startTestStack({ overrides: settingsFor(rounds) });
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2");
  const load = startLoad(addressOf(app), 2, 10);
  const unfound: string[] = [];
  const lost: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const way = wayOf(round);
    await using copy = createExtraAgent(stack.stack, round % 9);
    await way.run(stack, copy);
    const reason = await lockedBoth(stack, copy);
    say(`${round + 1}/${rounds}  copy run ${way.copyRun}: ${reason}`);
    if (reason !== way.reason) unfound.push(`copy run ${way.copyRun}: ${reason} instead of ${way.reason}`);
    await copy.agent.stop();
    lost.push(...(await bringBack(stack, way)));
    say(`the original is back (${way.back.join(" ")})`);
  }
  const { answered, failures } = await load.stop();
  const now = await currentApp(stack, app.name);
  return {
    figures: {
      "copies found": { value: rounds - unfound.length, unit: "copies" },
      "requests answered": { value: answered, unit: "requests" },
    },
    invariants: {
      "no request fails": failures,
      "a copy locks both, for what it did": unfound,
      "an operator brings one back, and the fabric stays the same": lost,
      "apps are untouched": changedReplicas(app, now),
    },
  };
};

function wayOf(round: number): Way {
  const way = ways[round % ways.length];
  if (way === undefined) throw new Error("there is no way to run a copy");
  return way;
}

/**
 * Where one of the copies waits until its certificate ends, certificates live for two minutes; else so long that nobody
 * renews who was not told to.
 */
function settingsFor(rounds: number): ReturnType<typeof drillSettings> {
  const leafSeconds = rounds >= ways.length ? 120 : 900;
  return {
    ...drillSettings({ leafSeconds, firstServiceLeafSeconds: 900, supersededGraceSeconds: 2 }),
    "runtime-manager": { DRAWBRIDGE_DUPLICATE_AGENT_GRACE_SECONDS: "2" },
  };
}

async function copyState(stack: TestStack, copy: ExtraAgent): Promise<void> {
  await mkdir(copy.stateDir, { mode: 0o700 });
  for (const folder of copied) {
    const from = join(stack.stack.layout.agent, folder);
    await cp(from, join(copy.stateDir, folder), { recursive: true, verbatimSymlinks: true });
  }
}

async function renew(stack: TestStack): Promise<void> {
  const { agent: stateDir } = stack.stack.layout;
  const before = await readFabricIdentity(stateDir);
  await stack.stack.agentCli(["renew", "--now"]);
  await eventually(async () => {
    const { certificateSerial } = await showFabric(stack, "local");
    const { serialNumber } = await readFabricIdentity(stateDir);
    return serialNumber !== before.serialNumber && serialNumber === certificateSerial ? true : undefined;
  });
}

/** Another one with the same name renewed and uses what it got: the certificate in this folder is not accepted any more. */
async function untilSuperseded(stack: TestStack, stateDir: string): Promise<void> {
  const { serialNumber: mine } = await readFabricIdentity(stateDir);
  await eventually(async () => {
    const all = await listCertificates(stack);
    return all.some(({ serialNumber, revokedAt }) => serialNumber === mine && revokedAt !== null) ? true : undefined;
  });
}

/** A disk that was kept for longer than the certificate on it is good for. */
async function untilExpired(copy: ExtraAgent): Promise<void> {
  await eventually(async () => {
    try {
      await readFabricIdentity(copy.stateDir);
      return undefined; // it is valid still
    } catch {
      return true;
    }
  });
}

/** Both are told that the agent is locked; why, as the operator sees it. */
async function lockedBoth(stack: TestStack, copy: ExtraAgent): Promise<string> {
  const isLocked = ({ code }: { readonly code?: string }): boolean => code === "AGENT_LOCKED";
  await Promise.all([tunnelStatus(stack.stack.layout.agent, isLocked), tunnelStatus(copy.stateDir, isLocked)]);
  const { lock } = await rest<{ readonly lock: { readonly reason: string } | null }>(
    stack,
    "/v1/fabrics/local/recovery",
  );
  return lock?.reason ?? "not locked";
}

/** The operator made sure that the copy is off: either the lock is lifted, or the agent gets an identity anew. */
async function bringBack(stack: TestStack, { back }: Way): Promise<readonly string[]> {
  const { fabricId } = await showFabric(stack, "local");
  const agent = stack.stack.service("agent");
  const said = await stack.run("fabric", "recover", "local", ...back, "-o", "json");
  await agent.stop();
  if (back.includes("--new-token")) {
    const { token } = JSON.parse(said) as { readonly token: string };
    const activated = await stack.stack.agentCli(["activate", "--replace", "--token-file", "-"], { input: token });
    if (activated.exitCode !== 0) return [`the agent could not be activated anew: ${activated.stderr}`];
  }
  agent.start(); // by itself it would ask again only after a minute
  await agent.waitReady();
  const { pid } = agent;
  await eventually(async () => {
    const status = await readTunnelStatus(stack.stack.layout.agent);
    return status.pid === pid && status.status === "connected" ? true : undefined;
  });
  const after = await eventually(async () => {
    const fabric = await showFabric(stack, "local");
    return fabric.state === "connected" ? fabric : undefined;
  });
  return after.fabricId === fabricId ? [] : [`the fabric was ${fabricId} and is ${after.fabricId}`];
}
