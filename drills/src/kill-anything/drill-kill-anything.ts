import {
  addressOf,
  eventually,
  type ShownApp,
  startLoad,
  startTestStack,
  type TestStack,
  versionAt,
} from "@drawbridge/local/testing";
import type { Drill, DrillReport } from "../drill.ts";
import { deployGuarded } from "../load/guarded-app.ts";
import { percentile } from "../percentile.ts";
import { pick, seededRandom } from "../seeded-random.ts";
import { changedReplicas, currentApp } from "../stack/replicas.ts";
import { type Change, startChanging } from "./start-changing.ts";
import { breakSomething, victims } from "./victims.ts";

const defaultRounds = 60;

/**
 * One process after the other is ended with `kill -9` and started again, while an operator goes on changing one app and
 * clients go on using two.
 */
export const drillKillAnything: Drill = async ({ rounds = defaultRounds, seed, say }) => {
  const random = seededRandom(seed);
  await using stack = await startTestStack();
  const steady = await stack.deploy(await stack.hello({ version: "1.0.0", name: "steady" }), "--replicas", "2");
  const changing = await stack.deploy(await stack.hello({ version: "1.0.0", name: "changing" }), "--replicas", "2");
  const guarded = await deployGuarded(stack);
  say("two apps serve, a third behind its API; clients, strangers and the operator begin");

  const loads = [startLoad(addressOf(steady), 2), startLoad(addressOf(changing), 2)];
  const strangers = guarded.watchStrangers();
  const operator = startChanging(stack, "changing");
  const backInSeconds: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const victim = pick(victims, random);
    const seconds = await breakSomething(stack, victim);
    backInSeconds.push(seconds);
    say(`${round}/${rounds}  kill -9 of ${victim}: ready again after ${seconds.toFixed(1)} s`);
  }
  const changes = await operator.stop();
  say(`the operator made ${changes.length} changes; waiting until the fabric has the last one`);
  const stoppedAtMs = performance.now();
  const settled = await settle(stack, changes);
  const settledInSeconds = (performance.now() - stoppedAtMs) / 1000;
  const whoeverHasAContract = await guarded.settles({ status: 200 });
  const turnedAway = await strangers.stop();
  const [steadyLoad, changingLoad] = await Promise.all(loads.map((load) => load.stop()));

  return {
    figures: {
      "processes killed": { value: rounds, unit: "kills" },
      "changes acknowledged": { value: changes.length, unit: "changes" },
      "commands that had to be repeated": {
        value: changes.filter(({ attempts }) => attempts > 1).length,
        unit: "changes",
      },
      "requests answered": { value: (steadyLoad?.answered ?? 0) + (changingLoad?.answered ?? 0), unit: "requests" },
      "strangers turned away by the API": { value: turnedAway.answered, unit: "requests" },
      "ready again, median": { value: percentile(backInSeconds, 0.5), unit: "s" },
      "ready again, slowest": { value: percentile(backInSeconds, 1), unit: "s" },
      "settled after the last kill": { value: settledInSeconds, unit: "s" },
    },
    invariants: {
      ...(await findings(stack, {
        changes,
        settled,
        failures: [...(steadyLoad?.failures ?? []), ...(changingLoad?.failures ?? [])],
        steady,
      })),
      "nobody passes an API without a contract": turnedAway.failures,
      "who has a contract passes in the end": whoeverHasAContract,
    },
  };
};

async function settle(stack: TestStack, changes: readonly Change[]): Promise<ShownApp> {
  const revision = changes.length + 1;
  return eventually(async () => {
    const app = await stack.show("changing");
    const isThere = app.statusCurrent && app.status?.phase === "running" && app.status.servingRevision >= revision;
    return isThere ? app : undefined;
  });
}

async function findings(
  stack: TestStack,
  found: {
    readonly changes: readonly Change[];
    readonly settled: ShownApp;
    readonly failures: readonly string[];
    readonly steady: ShownApp;
  },
): Promise<DrillReport["invariants"]> {
  const lastVersion = found.changes.at(-1)?.version ?? "1.0.0";
  const served = await versionAt(addressOf(found.settled));
  const history = JSON.parse(await stack.run("app", "history", "changing", "-o", "json")) as readonly unknown[];
  const listed = JSON.parse(await stack.run("app", "list", "-o", "json")) as readonly { readonly name: string }[];
  const names = listed.map(({ name }) => name).toSorted();
  const steadyNow = await currentApp(stack, "steady");
  return {
    "no request fails": found.failures,
    "every acknowledged change is carried out":
      served === lastVersion ? [] : [`changing serves ${served}, the last acknowledged version is ${lastVersion}`],
    "no change is carried out twice":
      history.length === found.changes.length + 1
        ? []
        : [`changing has ${history.length} revisions after one deployment and ${found.changes.length} changes`],
    "what nobody changed is untouched": changedReplicas(found.steady, steadyNow),
    "nothing appears or disappears":
      names.join() === "changing,guarded,steady" ? [] : [`the fabric has the apps ${names.join(", ")}`],
  };
}
