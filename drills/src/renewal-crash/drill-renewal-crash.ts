import { existsSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addressOf, eventually, startLoad, startTestStack, type TestStack } from "@drawbridge/local/testing";
import { systemClock } from "@drawbridge/lifecycle";
import type { Drill } from "../drill.ts";
import { percentile } from "../percentile.ts";
import { readTunnelStatus } from "../stack/agent-status.ts";
import { drillSettings } from "../stack/drill-settings.ts";
import { readFabricIdentity } from "../stack/fabric-identity.ts";
import { changedReplicas, currentApp } from "../stack/replicas.ts";
import { listCertificates, rest, showFabric } from "../stack/rest.ts";
import { arm, disarm, killEnvironment } from "./kill-point.ts";
import { type CrashStep, crashSteps } from "./kill-points.ts";

/** Twice each. */
const defaultRounds = crashSteps.length * 2;
/** So long that nothing renews by itself while a crash is looked into. */
const times = { leafSeconds: 600, supersededGraceSeconds: 5 };

/** An operator would have called by then. */
const giveUpAfterMs = 120_000;
/** A process that is to die when the renewal is nearly over has this long for it. */
const settleMs = 2_000;
/** An agent looks for an order once a second, and takes its time on a slow machine. */
const repeatAfterMs = 5_000;

/** `kill -9` of the agent, runtime-manager and cert-authority at every step of a renewal. */
export const drillRenewalCrash: Drill = async (options) =>
  crashAt(
    Array.from({ length: options.rounds ?? defaultRounds }, (_, round) => stepOf(round)),
    options,
  );

/** At these steps, one after the other. */
export async function crashAt(
  steps: readonly CrashStep[],
  { say }: Pick<Parameters<Drill>[0], "say">,
): ReturnType<Drill> {
  await using stack = await startTestStack({ overrides: drillSettings(times) });
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2");
  const load = startLoad(addressOf(app), 1);
  const killFiles = await restartArmable(stack, steps);
  const findings: string[] = [];
  const seconds: number[] = [];
  for (const [index, step] of steps.entries()) {
    const begunAtMs = systemClock.monotonicMs();
    const where = `${step.victim}, step ${step.step}: ${step.after}`;
    findings.push(...(await crashOnce(stack, step, killFiles)).map((finding) => `${where}: ${finding}`));
    seconds.push((systemClock.monotonicMs() - begunAtMs) / 1000);
    say(`${index + 1}/${steps.length}  ${where}: renewed after ${seconds.at(-1)?.toFixed(1)} s`);
  }
  const { answered, failures } = await load.stop();
  const now = await currentApp(stack, app.name);
  return {
    figures: {
      "processes killed": { value: steps.length, unit: "kills" },
      "renewed after the kill, median": { value: percentile(seconds, 0.5), unit: "s" },
      "renewed after the kill, slowest": { value: percentile(seconds, 1), unit: "s" },
      "requests answered": { value: answered, unit: "requests" },
    },
    invariants: {
      "no request fails": failures,
      "one valid identity, on the tunnel, without a recovery": findings,
      "nothing that is in use is revoked": await revokedInUse(stack),
      "apps are untouched": changedReplicas(app, now),
    },
  };
}

function stepOf(round: number): CrashStep {
  const step = crashSteps[round % crashSteps.length];
  if (step === undefined) throw new Error("there are no steps");
  return step;
}

/** The victims, started anew so that they can be told where to die. Answers the file that tells each. */
async function restartArmable(stack: TestStack, steps: readonly CrashStep[]): Promise<ReadonlyMap<string, string>> {
  const victims = [...new Set(steps.map(({ victim }) => victim))];
  const files = new Map(victims.map((victim) => [victim, join(stack.folder, `kill-${victim}`)] as const));
  await Promise.all(
    [...files].map(async ([victim, file]) => {
      const service = stack.stack.service(victim);
      await service.stop();
      service.start(killEnvironment(file));
      await service.waitReady();
    }),
  );
  return files;
}

/** Renew, with a kill on the way, until a new identity is in use; what is not as it must be then. */
async function crashOnce(
  stack: TestStack,
  step: CrashStep,
  killFiles: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const { agent: stateDir } = stack.stack.layout;
  const killFile = killFiles.get(step.victim) ?? "";
  const victim = stack.stack.service(step.victim);
  const before = await readFabricIdentity(stateDir);
  const order = createRenewOrder(stateDir);
  await arm(killFile, step.point);
  await order.give();
  if ((await diesOrRenews(stack, { victim, serialBefore: before.serialNumber, order })) === "renewed") {
    await disarm(killFile);
    return ["it was not killed: a renewal went by that did not come there"];
  }
  await order.takeBack();
  victim.start(killEnvironment(killFile));
  await victim.waitReady();
  // An agent that was killed goes on by itself; one whose control plane was killed tries again within 10 s, or when it is told.
  if (step.victim !== "agent") await order.give();
  const giveUp = AbortSignal.timeout(giveUpAfterMs);
  const after = await eventually(async () => giveUp.aborted || renewedSince(stack, before.serialNumber, order));
  if (after === true) {
    const { status, code = "no code" } = await readTunnelStatus(stateDir);
    return [`not renewed ${giveUpAfterMs / 1000} s after the kill; the tunnel is ${status} (${code})`];
  }
  const { recovery, lock } = await rest<Recovery>(stack, "/v1/fabrics/local/recovery");
  const generations = (await readdir(join(stateDir, "identity"))).filter((name) => name.startsWith("gen-"));
  return [
    ...(recovery?.recentRecoveries === 0
      ? []
      : [`it took ${recovery?.recentRecoveries ?? "no known number of"} recoveries`]),
    ...(lock === null ? [] : ["the agent is locked"]),
    ...(generations.length <= 2 ? [] : [`${generations.length} generations of the identity ${after} are kept`]),
  ];
}

interface Recovery {
  readonly recovery: { readonly recentRecoveries: number } | null;
  readonly lock: unknown;
}

/** What comes first: the end of the victim, or a new identity that is in use although nobody died. */
async function diesOrRenews(
  stack: TestStack,
  {
    victim,
    serialBefore,
    order,
  }: { readonly victim: { ended(): Promise<void> }; readonly serialBefore: string; readonly order: RenewOrder },
): Promise<"died" | "renewed"> {
  let isDead = false;
  const died = victim.ended().then(() => {
    isDead = true;
    return "died" as const;
  });
  const renewed = eventually(async () => isDead || (await renewedSince(stack, serialBefore, order))).then(async () => {
    if (!isDead) await systemClock.sleep(settleMs);
    return "renewed" as const;
  });
  return Promise.race([died, renewed]);
}

/** Serial number of the new identity when it is the one on disk and on the tunnel, and nothing is under way. */
async function renewedSince(stack: TestStack, serialBefore: string, order: RenewOrder): Promise<string | undefined> {
  const { agent: stateDir } = stack.stack.layout;
  if (existsSync(join(stateDir, "identity", "next", "renewal", "request.json"))) return undefined;
  const { serialNumber } = await readFabricIdentity(stateDir);
  if (serialNumber === serialBefore) {
    await order.repeat(); // it died before anything was stored, or had no tunnel to ask over
    return undefined;
  }
  const { state, certificateSerial } = await showFabric(stack, "local");
  return state === "connected" && certificateSerial === serialNumber ? serialNumber : undefined;
}

interface RenewOrder {
  /** What `drawbridge-agent renew --now` does before it begins to wait. */
  give(): Promise<void>;
  /** Give it again if that was long ago. */
  repeat(): Promise<void>;
  /** As far as nobody has seen it yet: whoever starts next has not been told. */
  takeBack(): Promise<void>;
}

function createRenewOrder(stateDir: string): RenewOrder {
  const file = join(stateDir, "renew-now");
  let givenAtMs = -Infinity;
  async function give(): Promise<void> {
    givenAtMs = systemClock.monotonicMs();
    await writeFile(file, `${systemClock.now().toISOString()}\n`);
  }
  return {
    give,
    repeat: async () => {
      if (systemClock.monotonicMs() - givenAtMs >= repeatAfterMs) await give();
    },
    takeBack: async () => {
      givenAtMs = -Infinity;
      await rm(file, { force: true });
    },
  };
}

async function revokedInUse(stack: TestStack): Promise<readonly string[]> {
  const { agent } = stack.stack.layout;
  const [tunnel, monitoring] = await Promise.all([readFabricIdentity(agent), readFabricIdentity(agent, "monitoring")]);
  const inUse = new Set([tunnel.serialNumber, monitoring.serialNumber]);
  const certificates = await listCertificates(stack);
  return certificates.flatMap(({ serialNumber, revokedAt, revocationReason, spiffeId }) => {
    if (revokedAt === null) return [];
    if (inUse.has(serialNumber)) return [`${spiffeId} ${serialNumber} is in use and was revoked: ${revocationReason}`];
    return revocationReason === "superseded" ? [] : [`${spiffeId} ${serialNumber} was revoked: ${revocationReason}`];
  });
}
