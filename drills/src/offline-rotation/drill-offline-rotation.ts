import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { addressOf, startLoad, startTestStack, type TestStack } from "@drawbridge/local/testing";
import { systemClock } from "@drawbridge/lifecycle";
import { parseTrustBundleJson } from "@drawbridge/pki";
import type { Drill } from "../drill.ts";
import { drillSettings } from "../stack/drill-settings.ts";
import { changedReplicas, currentApp } from "../stack/replicas.ts";
import { showFabric } from "../stack/rest.ts";
import { rotateRoot } from "../stack/rotate-root.ts";

const defaultRounds = 3;
/** What services begin with lasts through a slow start, and ends before what they renew in the rotation. */
const times = { leafSeconds: 30, firstServiceLeafSeconds: 50, supersededGraceSeconds: 5, rotationSeconds: 3 };

/** The agent is off while the root is replaced and the old one retired, once or several times in a row. */
export const drillOfflineRotation: Drill = async ({ rounds = defaultRounds, say }) => {
  await using stack = await startTestStack({ overrides: drillSettings(times) });
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2");
  const load = startLoad(addressOf(app), 2, 10);
  const before = await trustOf(stack);
  const agent = stack.stack.service("agent");
  await agent.stop();
  say("the agent is off");
  for (let round = 1; round <= rounds; round += 1) {
    const mayStrand = ({ kind }: { readonly kind: string }): boolean => kind === "agent" || kind === "collector";
    await rotateRoot(stack, { say, mayStrand });
    say(`${round}/${rounds}  root replaced, the old one retired`);
  }
  const startedAtMs = systemClock.monotonicMs();
  agent.start();
  await agent.waitReady();
  const backAfterSeconds = (systemClock.monotonicMs() - startedAtMs) / 1000;
  say(`the agent is back after ${backAfterSeconds.toFixed(1)} s`);
  const now = await currentApp(stack, app.name);
  const after = await trustOf(stack);
  const fabric = await showFabric(stack, "local");
  const { answered, failures } = await load.stop();
  return {
    figures: {
      "rotations while it was away": { value: rounds, unit: "rotations" },
      "back after its start": { value: backAfterSeconds, unit: "s" },
      "requests answered": { value: answered, unit: "requests" },
    },
    invariants: {
      "no request fails": failures,
      "it comes back by itself": fabric.state === "connected" ? [] : [`the fabric is ${fabric.state}`],
      "it trusts the new root and no longer the old one":
        after.roots.length === 1 && !before.roots.includes(after.roots[0] ?? "") && after.sequence > before.sequence
          ? []
          : [`${after.roots.length} roots, sequence ${before.sequence} before and ${after.sequence} now`],
      "apps are untouched": changedReplicas(app, now),
    },
  };
};

async function trustOf(stack: TestStack): Promise<{ readonly sequence: bigint; readonly roots: readonly string[] }> {
  const text = await readFile(join(stack.stack.layout.agent, "trust", "bundle.json"), "utf8");
  const { sequence, rootsDer } = parseTrustBundleJson(text);
  return { sequence, roots: rootsDer.map((der) => Buffer.from(der).toString("base64")) };
}
