import { startTestStack, type TestStack } from "@drawbridge/local/testing";
import type { Drill } from "../drill.ts";
import { everyEvent, type EventName } from "./cells.ts";
import { type Answer, type GateLoad, startGateLoad } from "./gate-load.ts";
import { gatewayOf } from "./gateway.ts";
import { appAt, bystander, levels, type Level } from "./levels.ts";
import { createMatrix } from "./matrix.ts";
import { playRound } from "./round.ts";
import { settle } from "./settle.ts";
import { setStage, type Stage } from "./stage.ts";

const defaultRounds = 3;
/** Requests fail while the process that takes them is not there; its shim has it back by then. */
const blocked: readonly Answer[] = ["gate", "policy", "nobody"];

/** Every event of the gatekeeper's matrix at every level, under load, on a whole stack. */
export const drillGatekeeperMatrix: Drill = (options) => matrixOf(everyEvent, options);

/** These events, in their order. */
export async function matrixOf(
  events: readonly EventName[],
  { rounds = defaultRounds, say }: Pick<Parameters<Drill>[0], "rounds" | "say">,
): ReturnType<Drill> {
  await using stack = await startTestStack();
  const stage = await setStage(stack);
  const gateway = gatewayOf(stack);
  const findings: string[] = [];
  const revoked: number[] = [];
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
    await settle(
      () => others.next(),
      (answers) => answers.every((answer) => answer === "app"),
    );
    others.allow("app");
    for (let round = 1; round <= rounds; round += 1) {
      say(`round ${round} of ${rounds}`);
      await playRound({
        stack,
        stage,
        gateway,
        matrix,
        others,
        findings,
        events: new Set(events),
        version: `${round + 1}.0.0`,
        onRevoked: (seconds) => revoked.push(seconds),
      });
    }
    return report({ loads, others, untouched, findings, cells: matrix.seen(), revoked: Math.max(...revoked) });
  } finally {
    for (const load of [...loads.values(), others, untouched]) await load.stop();
  }
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
