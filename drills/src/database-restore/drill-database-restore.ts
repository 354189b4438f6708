import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  addressOf,
  createExtraAgent,
  eventually,
  runSql,
  startLoad,
  startTestStack,
  type TestStack,
} from "@drawbridge/local/testing";
import { systemClock } from "@drawbridge/lifecycle";
import type { Drill } from "../drill.ts";
import { deployGuarded, type GuardedApp } from "../load/guarded-app.ts";
import { isLetIn } from "../revocation/watch-listener.ts";
import { listenersOf } from "../revocation/listeners.ts";
import { drillSettings } from "../stack/drill-settings.ts";
import { readFabricIdentity } from "../stack/fabric-identity.ts";
import { changedReplicas, currentApp } from "../stack/replicas.ts";
import { listCertificates, rest, showAuthority, showFabric } from "../stack/rest.ts";

const defaultRounds = 3;
const times = { leafSeconds: 900, supersededGraceSeconds: 2 };
const run = promisify(execFile);
const controlPlane = [
  "management-api",
  "config-resolver",
  "api-manager",
  "monitoring-ingest",
  "alerting",
  "activation",
  "runtime-manager",
  "cert-authority",
];

/**
 * The database is copied; then one agent's certificate is revoked, another agent renews, an API gets another policy and loses
 * a contract; then the copy is put back, as after the loss of a disk.
 */
export const drillDatabaseRestore: Drill = async ({ rounds = defaultRounds, say }) => {
  await using stack = await startTestStack({ overrides: drillSettings(times) });
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2");
  const guarded = await deployGuarded(stack);
  const load = startLoad(addressOf(app), 2, 10);
  const strangers = guarded.watchStrangers();
  const findings: Findings = { revoked: [], renewed: [], sequence: [], enforced: [] };
  const seconds: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    seconds.push(await restoreOnce(stack, { guarded, round, findings }));
    say(`${round}/${rounds}  restored: the agent that had renewed is back after ${seconds.at(-1)?.toFixed(1)} s`);
  }
  const { answered, failures } = await load.stop();
  const turnedAway = await strangers.stop();
  const now = await currentApp(stack, app.name);
  return {
    figures: {
      restores: { value: rounds, unit: "restores" },
      "back after the restore, slowest": { value: Math.max(...seconds), unit: "s" },
      "requests answered": { value: answered, unit: "requests" },
    },
    invariants: {
      "no request fails": failures,
      "what was revoked stays revoked": findings.revoked,
      "who renewed comes back by itself": findings.renewed,
      "the trust bundle never goes back": findings.sequence,
      "gateways enforce what was restored, then what is new": findings.enforced,
      "nobody passes an API without a contract": turnedAway.failures,
      "apps are untouched": changedReplicas(app, now),
    },
  };
};

interface Findings {
  readonly revoked: string[];
  readonly renewed: string[];
  readonly sequence: string[];
  readonly enforced: string[];
}

/** Answers after how many seconds the renewed agent was back. */
async function restoreOnce(
  stack: TestStack,
  { guarded, round, findings }: { readonly guarded: GuardedApp; readonly round: number; readonly findings: Findings },
): Promise<number> {
  const { agent: stateDir } = stack.stack.layout;
  await using other = createExtraAgent(stack.stack, round % 9);
  await other.activate(`other-${round}`);
  other.agent.start();
  await other.agent.waitReady();
  await guarded.stamp(`kept ${round}`);
  findings.enforced.push(...(await guarded.settles({ status: 200, stamp: `kept ${round}` })));
  const copy = await copyDatabase(stack);
  await guarded.stamp(`lost ${round}`);
  findings.enforced.push(...(await guarded.settles({ status: 200, stamp: `lost ${round}` })));
  await guarded.revokeContract();
  findings.enforced.push(...(await guarded.settles({ status: 401 })));

  const revoked = await readFabricIdentity(other.stateDir);
  const body = { serialNumber: revoked.serialNumber, reason: "drill" };
  await rest(stack, "/v1/certificates/revoke", { method: "POST", body });
  const before = await readFabricIdentity(stateDir);
  await stack.stack.agentCli(["renew", "--now"]);
  const renewed = await eventually(async () => {
    const identity = await readFabricIdentity(stateDir);
    const { certificateSerial } = await showFabric(stack, "local");
    return identity.serialNumber !== before.serialNumber && certificateSerial === identity.serialNumber
      ? identity
      : undefined;
  });
  const sequence = (await showAuthority(stack)).trustBundleSequence;

  await restoreDatabase(stack, copy);
  const restoredAtMs = systemClock.monotonicMs();
  await eventually(async () => {
    // The serial number too: the restored record says "connected" of a tunnel that it knows no better.
    const { state, certificateSerial } = await showFabric(stack, "local");
    const { serialNumber } = await readFabricIdentity(stateDir);
    return state === "connected" && certificateSerial === serialNumber ? true : undefined;
  });
  const backAfterSeconds = (systemClock.monotonicMs() - restoredAtMs) / 1000;

  findings.enforced.push(...(await guarded.settles({ status: 200, stamp: `kept ${round}` })));
  await guarded.stamp(`new ${round}`);
  findings.enforced.push(...(await guarded.settles({ status: 200, stamp: `new ${round}` })));

  const { recovery, lock } = await rest<{ readonly recovery: unknown; readonly lock: unknown }>(
    stack,
    "/v1/fabrics/local/recovery",
  );
  if (lock !== null) findings.renewed.push(`the agent that renewed to ${renewed.serialNumber} is locked`);
  if (recovery === null) findings.renewed.push("nothing is known of its recovery key any more");
  for (const listener of listenersOf(stack)) {
    if (await isLetIn(listener, revoked)) findings.revoked.push(`${listener.name} lets ${revoked.serialNumber} in`);
  }
  await eventually(async () => {
    const all = await listCertificates(stack);
    return all.some(({ serialNumber, revokedAt }) => serialNumber === revoked.serialNumber && revokedAt !== null)
      ? true
      : undefined;
  });
  const now = (await showAuthority(stack)).trustBundleSequence;
  if (now < sequence) findings.sequence.push(`sequence ${sequence} before the restore, ${now} after it`);
  return backAfterSeconds;
}

async function copyDatabase(stack: TestStack): Promise<string> {
  const { postgres } = stack.stack.backing;
  const copy = join(stack.folder, "database-copy");
  await rm(copy, { recursive: true, force: true });
  await postgres.stop();
  await run("cp", ["-a", dataOf(stack), copy]);
  await postgres.start();
  return copy;
}

async function restoreDatabase(stack: TestStack, copy: string): Promise<void> {
  const { postgres } = stack.stack.backing;
  const services = controlPlane.map((name) => stack.stack.service(name));
  await Promise.all(services.map((service) => service.kill()));
  await postgres.stop();
  await rm(dataOf(stack), { recursive: true });
  await run("cp", ["-a", copy, dataOf(stack)]);
  await postgres.start();
  // As in a backup that is an hour old: of who was seen a moment ago an unknown certificate is not believed (ADR 8).
  await runSql(stack.stack, "UPDATE runtime_manager.agent SET last_seen_at = last_seen_at - interval '1 hour'");
  for (const service of services) service.start();
  await Promise.all(services.map((service) => service.waitReady()));
}

const dataOf = (stack: TestStack): string => join(stack.stack.layout.postgres, "data");
