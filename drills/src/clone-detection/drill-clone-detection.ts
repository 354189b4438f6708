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
import { tunnelStatus } from "../stack/agent-status.ts";
import { drillSettings } from "../stack/drill-settings.ts";
import { readFabricIdentity } from "../stack/fabric-identity.ts";
import { changedReplicas, currentApp } from "../stack/replicas.ts";
import { rest, showFabric } from "../stack/rest.ts";

const defaultRounds = 4;
const times = { leafSeconds: 40, firstServiceLeafSeconds: 300, supersededGraceSeconds: 2 };
const overrides = {
  ...drillSettings(times),
  "runtime-manager": { DRAWBRIDGE_DUPLICATE_AGENT_GRACE_SECONDS: "5" },
};
/** What a copy of a disk holds; apps run elsewhere. */
const copied = ["identity", "monitoring", "trust", "recovery"];
const ways = ["beside the original", "after the copied certificate expired"] as const;

/** The agent's state folder is copied and the copy run: while the original lives, and after its certificate expired. */
export const drillCloneDetection: Drill = async ({ rounds = defaultRounds, say }) => {
  await using stack = await startTestStack({ overrides });
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2");
  const load = startLoad(addressOf(app), 2);
  const findings: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const way = ways[round % ways.length] ?? ways[0];
    await using copy = createExtraAgent(stack.stack, round % 9);
    await copyState(stack, copy);
    if (way === "after the copied certificate expired") await untilExpired(copy);
    copy.agent.start();
    const reason = await lockedBoth(stack, copy);
    say(`${round + 1}/${rounds}  copy run ${way}: ${reason}`);
    await copy.agent.stop();
    findings.push(...(await bringBack(stack, way)));
    say("the original is back");
  }
  const { answered, failures } = await load.stop();
  const now = await currentApp(stack, app.name);
  return {
    figures: {
      "copies found": { value: rounds, unit: "copies" },
      "requests answered": { value: answered, unit: "requests" },
    },
    invariants: {
      "no request fails": failures,
      "an operator brings one back, and the fabric stays the same": findings,
      "apps are untouched": changedReplicas(app, now),
    },
  };
};

async function copyState(stack: TestStack, copy: ExtraAgent): Promise<void> {
  await mkdir(copy.stateDir, { mode: 0o700 });
  for (const folder of copied) {
    const from = join(stack.stack.layout.agent, folder);
    await cp(from, join(copy.stateDir, folder), { recursive: true, verbatimSymlinks: true });
  }
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
async function bringBack(stack: TestStack, way: (typeof ways)[number]): Promise<readonly string[]> {
  const { fabricId } = await showFabric(stack, "local");
  const agent = stack.stack.service("agent");
  if (way === "beside the original") {
    // The copy renewed, so that the original holds what is not the newest any more.
    await stack.run("fabric", "recover", "local", "--allow", "--accept-any-join-state");
    await agent.stop();
  } else {
    await agent.stop();
    const token = await stack.run("fabric", "recover", "local", "--new-token", "-o", "json");
    const activated = await stack.stack.agentCli(["activate", "--replace", "--token-file", "-"], {
      input: (JSON.parse(token) as { readonly token: string }).token,
    });
    if (activated.exitCode !== 0) return [`the agent could not be activated anew: ${activated.stderr}`];
  }
  agent.start();
  await tunnelStatus(stack.stack.layout.agent, ({ status }) => status === "connected");
  const after = await eventually(async () => {
    const fabric = await showFabric(stack, "local");
    return fabric.state === "connected" ? fabric : undefined;
  });
  return after.fabricId === fabricId ? [] : [`the fabric was ${fabricId} and is ${after.fabricId}`];
}
