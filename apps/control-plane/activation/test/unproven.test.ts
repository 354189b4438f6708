import type { EventEnvelope } from "@drawbridge/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startEnvironment, tapEvents, type Environment, type EventTap, type RunningService } from "./harness.ts";
import { startStandInRuntimeManager, type StandInRuntimeManager } from "./stand-in-runtime-manager.ts";
import { anActivatedAgent, answerTo, nextKeys, recover } from "./test-agent.ts";

let environment: Environment;
let runtimeManager: StandInRuntimeManager;
let tap: EventTap;
const suite = new AsyncDisposableStack();

beforeAll(async () => {
  environment = suite.use(await startEnvironment());
  runtimeManager = suite.use(await startStandInRuntimeManager(environment.certAuthority.identitiesDir));
  tap = suite.use(await tapEvents(environment.bus));
}, 180_000);

afterAll(() => suite.disposeAsync(), 60_000);

const start = (config: Parameters<Environment["startService"]>[0] = {}): Promise<RunningService> =>
  environment.startService({
    config: { RUNTIME_MANAGER_ADDRESS: runtimeManager.address, ...config.config },
  });
const isRefusal = ({ type }: EventEnvelope): boolean => type === "activation.recovery.refused.v1";

test("anonymous attempts fill no audit trail: none of unknown agents, one a minute of a known one", async () => {
  await using service = await start();
  const disk = await anActivatedAgent(service);
  const tryAs = async (agentId: string): Promise<void> => {
    const challenge = await service.recovery.beginRecovery({ agentId });
    const forged = { signature: Buffer.from("3006020101020101", "hex") };
    const request = answerTo(challenge, { ...disk, agentId }, await nextKeys(), forged);
    await expect(service.recovery.completeRecovery(request)).rejects.toMatchObject({ code: "RECOVERY_REFUSED" });
  };
  for (let attempt = 0; attempt < 10; attempt += 1) await tryAs(crypto.randomUUID());
  for (let attempt = 0; attempt < 10; attempt += 1) await tryAs(disk.agentId);
  // Who has proven itself is audited each time, and these come behind the others.
  await service.recoveryAdmin.setRecoveryMode({ agentId: disk.agentId, mode: 3, requestedBy: "alice" });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await expect(recover(service, disk)).rejects.toMatchObject({ kind: "failed_precondition" });
  }
  const proven = ({ payload }: EventEnvelope): boolean =>
    "errorCode" in payload && payload.errorCode !== "RECOVERY_REFUSED";
  await tap.until(2, (event) => isRefusal(event) && proven(event));
  expect(tap.events.filter((event) => isRefusal(event) && !proven(event))).toMatchObject([
    { payload: { agentId: disk.agentId, errorCode: "RECOVERY_REFUSED", remoteAddress: "127.0.0.1" } },
  ]);
}, 60_000);

test("who uses up one of the three calls leaves the others to those behind the same address (R14)", async () => {
  await using service = await start({
    config: { ACTIVATIONS_PER_SECOND_PER_ADDRESS: 0.01, ACTIVATION_BURST_PER_ADDRESS: 2, ACTIVATIONS_PER_SECOND: 2 },
  });
  const disk = await anActivatedAgent(service);
  const challenge = await service.recovery.beginRecovery({ agentId: disk.agentId });
  const begin = () => service.recovery.beginRecovery({ agentId: crypto.randomUUID() });
  await begin();
  const limited = { kind: "resource_exhausted", code: "RECOVERY_RATE_LIMITED" };
  await expect(begin()).rejects.toMatchObject(limited);
  const succession = () => service.recovery.getTrustSuccession({ rootSpkiSha256: ["A".repeat(43)] });
  for (let asked = 0; asked < 2; asked += 1)
    await succession().catch((error: unknown) => expect(error).not.toMatchObject(limited));
  await expect(succession()).rejects.toMatchObject(limited);
  await environment.supersede(disk.certificateSerial);
  const request = answerTo(challenge, disk, await nextKeys());
  expect((await service.recovery.completeRecovery(request)).identity?.agentId).toBe(disk.agentId);
}, 60_000);
