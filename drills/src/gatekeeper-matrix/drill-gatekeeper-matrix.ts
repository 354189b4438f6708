import { systemClock } from "@drawbridge/lifecycle";
import { startTestStack, type TestStack } from "@drawbridge/local/testing";
import type { Drill } from "../drill.ts";
import { cells, type EventName } from "./cells.ts";
import { type Answer, type GateLoad, startGateLoad } from "./gate-load.ts";
import { type Gateway, gatewayOf } from "./gateway.ts";
import { appAt, bystander, levels, type Level } from "./levels.ts";
import { setStage, type Stage, unusable } from "./stage.ts";

const defaultRounds = 3;
/** A gate that does not stand as it must by then is a finding. */
const settledWithinMs = 60_000;
/** Requests fail while the process that takes them is not there; its shim has it back by then. */
const blocked: readonly Answer[] = ["gate", "policy", "nobody"];

/** Every event of the gatekeeper's matrix at every level, under load, on a whole stack. */
export const drillGatekeeperMatrix: Drill = async ({ rounds = defaultRounds, say }) => {
  await using stack = await startTestStack();
  const stage = await setStage(stack);
  const gateway = gatewayOf(stack);
  const findings: string[] = [];
  const loads = new Map<Level, GateLoad>();
  for (const level of levels) loads.set(level, loadAt(stage, level));
  const matrix = createMatrix({ gateway, loads, findings, say });
  await stage.createApi(bystander);
  const contract = await stage.contract(bystander);
  const others = startGateLoad("another API", {
    url: address(stage, bystander),
    headers: contract.headers,
    allowed: ["app", "policy", "gate"],
  });
  const untouched = startGateLoad("app without APIs", { url: await plainApp(stack), clients: 1, allowed: ["app"] });
  try {
    await matrix.expect("deployed, and no such API yet");
    await eventuallyApp(others);
    others.allow("app");
    for (let round = 1; round <= rounds; round += 1) {
      say(`round ${round} of ${rounds}`);
      await oneRound({ stack, stage, gateway, matrix, others, version: `${round + 1}.0.0` });
    }
    const revoked = await measureRevocation(stage);
    say(`a revoked contract was refused ${revoked.toFixed(2)} s after the answer to the operator`);
    await contract.revoke();
    return report({ loads, others, untouched, findings, cells: matrix.seen(), revoked });
  } finally {
    for (const load of [...loads.values(), others, untouched]) await load.stop();
  }
};

interface Round {
  readonly stack: TestStack;
  readonly stage: Stage;
  readonly gateway: Gateway;
  readonly matrix: Matrix;
  /** Of an API to which nothing is done: it fails only while the gateway's process is not there. */
  readonly others: GateLoad;
  readonly version: string;
}

async function oneRound({ stack, stage, gateway, matrix, others, version }: Round): Promise<void> {
  const agent = stack.stack.service("agent");
  const onAll = async (work: (name: string) => Promise<unknown>): Promise<void> => {
    for (const level of levels) await work(appAt(level));
  };
  const killGateway = async (event: EventName, meanwhile?: () => Promise<void>): Promise<void> => {
    others.allow("app", "gate", "nobody");
    await gateway.kill(meanwhile);
    await matrix.expect(event);
    if (agent.pid !== undefined) {
      await eventuallyApp(others);
      others.allow("app");
    }
  };
  const startAgent = async (event: EventName): Promise<void> => {
    agent.start();
    await matrix.expect(event);
    await eventuallyApp(others);
    others.allow("app");
  };

  await onAll((name) => stage.createApi(name));
  await matrix.expect("API made");
  await killGateway("gateway killed");
  await onAll((name) => stage.deploy(name, version));
  await matrix.expect("app redeployed");
  await onAll((name) => stage.applyPolicy(name, editedPolicy(version)));
  await matrix.expect("policy edited");

  await agent.kill();
  await matrix.expect("agent killed after policies applied");
  await killGateway("gateway killed, agent away, cache there");
  await startAgent("agent back");
  await agent.kill();
  await killGateway("gateway killed, agent away, cache gone", () => gateway.removeCache());
  await startAgent("agent back before policies applied");
  await agent.kill();
  await killGateway("gateway killed, agent away, cache corrupt", () => gateway.corruptCache());
  await startAgent("agent back, cache was corrupt");
  await agent.kill();
  await killGateway("gateway killed, agent away, cache tampered with", () => gateway.tamperCache());
  await startAgent("agent back, cache was tampered with");
  await agent.kill();
  await killGateway("gateway killed, agent away, cache written again");
  await startAgent("agent back once more");

  await onAll((name) => stage.applyPolicy(name, unusable));
  await matrix.expect("unusable policy added");
  await killGateway("gateway killed, policy unusable");
  await onAll((name) => stage.removePolicy(name, unusable.name));
  await matrix.expect("unusable policy removed");
  await onAll((name) => stage.deleteApi(name));
  await matrix.expect("API deleted");
}

function editedPolicy(version: string) {
  const configuration = { outbound: [{ name: "x-drill", value: version }] };
  return { name: "stamp", body: { type: "header-injection", configuration } };
}

interface Matrix {
  /** Wait until every level's gate stands as it must after `event`, then look who answers. */
  expect(event: EventName): Promise<void>;
  /** Cells looked at. */
  seen(): number;
}

function createMatrix(deps: {
  readonly gateway: Gateway;
  readonly loads: ReadonlyMap<Level, GateLoad>;
  readonly findings: string[];
  readonly say: (line: string) => void;
}): Matrix {
  const { gateway, findings, say } = deps;
  let seen = 0;

  /** Of the newest deployment: an old one may be on its way out. */
  async function stateOf(level: Level): Promise<string> {
    const gates = (await gateway.gates()).filter(({ app }) => app === appAt(level));
    const states = new Set(gates.map(({ state }) => state));
    return states.size === 1 ? [...states].join() : [...states].toSorted().join(" and ");
  }

  async function settled(level: Level, state: string): Promise<string> {
    const deadlineMs = systemClock.monotonicMs() + settledWithinMs;
    let found = "";
    while (systemClock.monotonicMs() < deadlineMs) {
      found = await stateOf(level).catch(() => "no gateway");
      if (found === state) break;
      await systemClock.sleep(50);
    }
    return found;
  }

  /** A gate is decided before anybody listens: the first answer of a gateway that was killed comes a moment later. */
  async function answersOf(load: GateLoad | undefined): Promise<readonly Answer[]> {
    const deadlineMs = systemClock.monotonicMs() + settledWithinMs;
    for (;;) {
      const answers = (await load?.next()) ?? [];
      if (!answers.includes("nobody") || systemClock.monotonicMs() > deadlineMs) return answers;
      await systemClock.sleep(20);
    }
  }

  return {
    seen: () => seen,
    expect: async (event) => {
      for (const level of levels) {
        const [state, answer] = cells[event][level];
        const found = await settled(level, state);
        const answers = await answersOf(deps.loads.get(level));
        seen += 1;
        if (found !== state) findings.push(`${event}, ${level}: the gate is ${found}, not ${state}`);
        else if (answers.some((each) => each !== answer))
          findings.push(`${event}, ${level}: answered by ${answers.join(" and ")}, not by ${answer}`);
      }
      say(`${event}: ${levels.map((level) => `${level} ${cells[event][level][0]}`).join(", ")}`);
    },
  };
}

/** Without credentials: at strict and flexible the app never answers. */
function loadAt(stage: Stage, level: Level): GateLoad {
  const allowed: readonly Answer[] = level === "disabled" ? [...blocked, "app"] : blocked;
  return startGateLoad(appAt(level), { url: address(stage, appAt(level)), allowed });
}

function address(stage: Stage, name: string): string {
  const found = stage.addresses.get(name);
  if (found === undefined) throw new Error(`${name} is not deployed`);
  return `${found}/`;
}

/** Served by a front, not by the gateway. */
async function plainApp(stack: TestStack): Promise<string> {
  const app = await stack.deploy(await stack.hello({ version: "1.0.0", name: "plain" }));
  const [found = ""] = app.status?.endpoints ?? [];
  return `${found}/`;
}

async function eventuallyApp(load: GateLoad): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + settledWithinMs;
  while (systemClock.monotonicMs() < deadlineMs) {
    if ((await load.next()).every((answer) => answer === "app")) return;
    await systemClock.sleep(50);
  }
}

/** Seconds from the answer to the operator to the first refusal. */
async function measureRevocation(stage: Stage): Promise<number> {
  const contract = await stage.contract(bystander);
  const load = startGateLoad("a contract", {
    url: address(stage, bystander),
    headers: contract.headers,
    clients: 1,
    allowed: ["app", "policy"],
  });
  try {
    await eventuallyApp(load);
    await contract.revoke();
    const answeredAtMs = systemClock.monotonicMs();
    while (!(await load.next()).includes("policy")) {
      if (systemClock.monotonicMs() - answeredAtMs > settledWithinMs) break;
    }
    return (systemClock.monotonicMs() - answeredAtMs) / 1_000;
  } finally {
    await load.stop();
  }
}

function report(seen: {
  readonly loads: ReadonlyMap<Level, GateLoad>;
  readonly others: GateLoad;
  readonly untouched: GateLoad;
  readonly findings: readonly string[];
  readonly cells: number;
  readonly revoked: number;
}) {
  const { loads, others, untouched } = seen;
  const total = (answer: Answer): number => [...loads.values()].reduce((sum, { counts }) => sum + counts[answer], 0);
  const passed = (["strict", "flexible"] as const).flatMap((level) => loads.get(level)?.findings ?? []);
  return {
    figures: {
      "cells of the matrix looked at": { value: seen.cells, unit: "cells" },
      "answered by a closed gate": { value: total("gate"), unit: "requests" },
      "answered by a policy": { value: total("policy"), unit: "requests" },
      "answered by the app at level disabled": { value: loads.get("disabled")?.counts.app ?? 0, unit: "requests" },
      "of another API, answered": { value: others.counts.app, unit: "requests" },
      "of an app without APIs, answered": { value: untouched.counts.app, unit: "requests" },
      "revoked contract refused after": { value: seen.revoked, unit: "s" },
    },
    invariants: {
      "every gate stands as it must, and the right one answers": seen.findings,
      "nothing passes before its policies at strict and flexible": passed,
      "no request of another API fails while the gateway is there": others.findings,
      "no request of an app without APIs fails": untouched.findings,
      "a revoked contract is refused within 5 s": seen.revoked < 5 ? [] : [`it took ${seen.revoked.toFixed(1)} s`],
    },
  };
}
