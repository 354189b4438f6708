import { availableParallelism } from "node:os";
import { readdir, readFile } from "node:fs/promises";
import { systemClock } from "@drawbridge/lifecycle";
import { eventually, startTestStack, type TestStack } from "@drawbridge/local/testing";
import type { Drill } from "../drill.ts";
import { gatewayOf } from "../gatekeeper-matrix/gateway.ts";
import { pick, seededRandom } from "../seeded-random.ts";
import { countRequests, settledCount } from "./counted-requests.ts";
import { deployReported, reportedApi } from "./reported-app.ts";
import { startStepLoad, type StepCount } from "./step-load.ts";

const defaultRounds = 80;
const victims = ["gateway", "analytics-ingest", "NATS", "store", "agent", "runtime-manager"] as const;
type Victim = (typeof victims)[number];

/** Each step has requests before its kill, and some seconds of them after it. */
const beforeKillMs = 2_500;
const afterKillMs = 2_000;
const clients = 4;
/** So far a gateway's thread counts ahead; what it tells as lost may be so much more than what is. */
const aheadOfThread = 32;

/** `kill -9` of whatever a report of a request passes through, under load: all requests are counted, each once, or told as lost. */
export const drillTelemetryKill: Drill = async ({ rounds = defaultRounds, seed, say }) => {
  const random = seededRandom(seed);
  await using stack = await startTestStack();
  const from = systemClock.now();
  const address = await deployReported(stack, rounds + 1);
  await eventually(async () => ((await fetch(`${address}/step-0`)).status === 404 ? true : undefined));
  const load = startStepLoad(address, { clients, pauseMs: 5 });
  const victimOf: (Victim | undefined)[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const victim = pick(victims, random);
    await systemClock.sleep(beforeKillMs);
    const seconds = await kill(stack, victim);
    await systemClock.sleep(afterKillMs);
    victimOf.push(victim);
    say(`${round}/${rounds}  kill -9 of ${victim}: ready again after ${seconds.toFixed(1)} s`);
    load.next();
  }
  await systemClock.sleep(beforeKillMs);
  const sent = await load.stop();
  const answered = sent.reduce((sum, step) => sum + step.answered, 0);
  say(`${answered} requests answered; waiting until they are counted`);
  const counted = await settledCount(
    () => countRequests(stack, { api: reportedApi, steps: sent.length, from }),
    answered,
    systemClock,
  );
  const total = counted.bySteps.reduce((sum, requests) => sum + requests, 0);
  const killedGateways = victimOf.filter((victim) => victim === "gateway").length;
  const unknown = sent.reduce((sum, step) => sum + step.unknown, 0);
  const mostTold = answered - total + unknown + killedGateways * (availableParallelism() * aheadOfThread + clients) + 1;
  return {
    figures: {
      "processes killed": { value: rounds, unit: "kills" },
      "requests answered": { value: answered, unit: "requests" },
      "requests counted": { value: total, unit: "requests" },
      "gateways killed": { value: killedGateways, unit: "kills" },
      "told as lost": { value: counted.missing, unit: "requests" },
    },
    invariants: {
      "no request is counted twice": findSteps(sent, (step, index) => {
        const most = step.answered + step.unknown;
        const found = counted.bySteps[index] ?? 0;
        // The question before the load began was one of step 0.
        return found > most + (index === 0 ? 1 : 0) ? `${found} counted of ${most}` : undefined;
      }),
      "all are counted where no gateway was killed": findSteps(sent, (step, index) => {
        const found = counted.bySteps[index] ?? 0;
        const isMissing = found < step.answered && victimOf[index] !== "gateway";
        return isMissing ? `${found} counted of ${step.answered}` : undefined;
      }),
      "every answered request is counted or told as lost":
        total + counted.missing >= answered ? [] : [`${total} counted, ${counted.missing} told, of ${answered}`],
      "hardly more is told as lost than is":
        counted.missing <= (killedGateways === 0 ? 0 : mostTold)
          ? []
          : [`${counted.missing} told, ${mostTold} at most`],
      "roll-ups say the same": counted.rolledUp === total ? [] : [`${counted.rolledUp} instead of ${total}`],
    },
  };
};

function findSteps(
  steps: readonly StepCount[],
  look: (step: StepCount, index: number) => string | undefined,
): readonly string[] {
  return steps.flatMap((step, index) => {
    const finding = look(step, index);
    return finding === undefined ? [] : [`step ${index}: ${finding}`];
  });
}

/** Seconds until it is there again. */
async function kill(stack: TestStack, victim: Victim): Promise<number> {
  const beganMs = systemClock.monotonicMs();
  if (victim === "gateway") await gatewayOf(stack).kill();
  else if (victim === "NATS") {
    await stack.stack.backing.nats.kill();
    await stack.stack.backing.nats.start();
  } else if (victim === "store") await killStore(stack);
  else {
    const service = stack.stack.service(victim);
    await service.kill();
    service.start();
    await service.waitReady();
  }
  return (systemClock.monotonicMs() - beganMs) / 1_000;
}

/** The engine's process below analytics-ingest, which starts another one. */
async function killStore(stack: TestStack): Promise<void> {
  const service = stack.stack.service("analytics-ingest");
  const before = await enginesBelow(service.pid ?? 0);
  for (const pid of before) process.kill(pid, "SIGKILL");
  await eventually(async () => {
    const now = await enginesBelow(service.pid ?? 0);
    return now.length > 0 && now.every((pid) => !before.includes(pid)) ? true : undefined;
  });
  await service.waitReady();
}

async function enginesBelow(parent: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${parent}/task`).catch(() => []);
  const children = await Promise.all(
    threads.map((thread) => readFile(`/proc/${parent}/task/${thread}/children`, "utf8").catch(() => "")),
  );
  const pids = children.join(" ").split(/\s+/).filter(Boolean).map(Number);
  const commands = await Promise.all(
    pids.map(async (pid) => [pid, await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")] as const),
  );
  return commands.flatMap(([pid, command]) => (command.includes("columnar-engine") ? [pid] : []));
}
