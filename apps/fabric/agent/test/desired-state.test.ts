import { Snapshot } from "@drawbridge/contracts/runtime/v1/app";
import { signJws } from "@drawbridge/pki";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { createHash } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { createIdentityStore } from "../src/identity/identity-store.ts";
import { aSpec, startScriptedRuntimeManager, type ScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { fabricId, openFabric, type RunningAgent } from "./support/test-fabric.ts";
import { systemClock } from "@drawbridge/lifecycle";
import { createTestLogger } from "@drawbridge/testkit";

let ca: TestCa;

beforeAll(async () => {
  ca = await createTestCa();
});

const appId = (n: number): string => `0190b8a0-0000-7000-8000-${String(n).padStart(12, "0")}`;

/** An agent that works from generation 5 with no apps. */
async function openAtGeneration5() {
  const manager = await startScriptedRuntimeManager({ ca, fabricId });
  manager.welcome = { heartbeatMs: 200, deadAfterMs: 60_000 };
  const fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  await manager.desire({ generation: 5n });
  const agent = await fabric.startAgent();
  await agent.status(({ generation }) => generation.observed === "5");
  return {
    manager,
    fabric,
    agent,
    async [Symbol.asyncDispose]() {
      await fabric[Symbol.asyncDispose]();
      await manager[Symbol.asyncDispose]();
    },
  };
}

/** Resolves with the alert's text when the snapshot was refused. */
async function refusal(agent: RunningAgent): Promise<string> {
  const { alerts } = await agent.status(({ alerts: now }) => now.some(({ reason }) => reason === "SnapshotRefused"));
  return alerts.find(({ reason }) => reason === "SnapshotRefused")?.message ?? "";
}

/** The agent still works from generation 5, and takes a good snapshot over afterwards. */
async function expectUnshaken(agent: RunningAgent, manager: ScriptedRuntimeManager): Promise<void> {
  manager.tamper = (response) => response;
  await manager.desire({ generation: 6n });
  const { generation, alerts } = await agent.status((status) => status.generation.observed === "6");
  expect(generation.observed).toBe("6");
  expect(alerts).toEqual([]);
}

test("refuses a snapshot whose content was altered after it was signed (R16)", async () => {
  await using at5 = await openAtGeneration5();
  at5.manager.tamper = (response) => {
    const [header, payload, signature] = response.snapshotJws.split(".");
    const altered = Buffer.from(payload ?? "", "base64url")
      .toString("utf8")
      .replace('"7"', '"8"');
    const bytes = Buffer.from(altered);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    return { ...response, digest, snapshotJws: `${header}.${bytes.toString("base64url")}.${signature}` };
  };
  await at5.manager.desire({ generation: 7n });
  expect(await refusal(at5.agent)).toContain("signature");
  at5.manager.tamper = (response) => response;
  await at5.manager.desire({ generation: 6n });
  await expectUnshaken(at5.agent, at5.manager);
});

test("refuses a snapshot that another service of the same control plane signed", async () => {
  await using at5 = await openAtGeneration5();
  const activation = await ca.issueService("activation");
  const payload = Buffer.from(
    JSON.stringify(Snapshot.toJSON(Snapshot.fromPartial({ fabricId, generation: 6n, complete: true }))),
  );
  const jws = await signJws({ payload, signer: activation, type: "drawbridge-snapshot+jws" });
  const digest = `sha256:${createHash("sha256").update(payload).digest("hex")}`;
  at5.manager.tamper = (response) => ({ ...response, digest, snapshotJws: jws });
  await at5.manager.desire({ generation: 6n, pruneToken: "something else" });
  expect(await refusal(at5.agent)).toContain("/cp/activation");
  await expectUnshaken(at5.agent, at5.manager);
});

test.for([
  ["a lower generation of the same incarnation", { generation: 4n }, "works from 5"],
  ["a snapshot that is not complete", { generation: 6n, complete: false }, "complete"],
  ["a snapshot of another fabric", { generation: 6n, fabricId: appId(9) }, appId(9)],
] as const)("refuses %s and goes on with what it has (R16)", async ([, snapshot, message]) => {
  await using at5 = await openAtGeneration5();
  await at5.manager.desire(snapshot);
  expect(await refusal(at5.agent)).toContain(message);
  await expectUnshaken(at5.agent, at5.manager);
});

test("takes a lower generation over when the control plane was restored from a backup (new incarnation)", async () => {
  await using at5 = await openAtGeneration5();
  await at5.manager.desire({ generation: 2n, incarnationId: "incarnation-2" });
  await at5.agent.status(({ generation }) => generation.observed === "2");
});

test("refuses a snapshot that removes more than half of the apps without a prune token, and obeys one with it (R16)", async () => {
  await using at5 = await openAtGeneration5();
  const { agent, manager } = at5;
  const apps = [1, 2, 3, 4].map((n) => aSpec({ appId: appId(n), name: `app-${n}` }));
  await manager.desire({ generation: 6n, apps });
  await agent.status(({ apps: reported }) => reported.length === 4);
  const tombstones = [1, 2, 3].map((n) => ({ appId: appId(n), name: `app-${n}`, deletedAt: new Date() }));
  const rest = apps.slice(3);
  await manager.desire({ generation: 7n, apps: rest, tombstones });
  expect(await refusal(agent)).toContain("would remove 3 of 4 apps");
  await manager.desire({ generation: 7n, apps: rest, tombstones, pruneToken: "prune1.test" });
  const session = await manager.session(0);
  const removed = new Set<string>(); // told once each, in one report or in several
  while (removed.size < 3) {
    const { value } = await session.next("status", ({ removedAppIds }) => removedAppIds.length > 0);
    expect(value.observedGeneration).toBe(7n);
    for (const each of value.removedAppIds) removed.add(each);
  }
  expect([...removed].toSorted()).toEqual([1, 2, 3].map(appId));
});

test("works from the stored snapshot when the control plane is away (MGT 5)", async () => {
  await using at5 = await openAtGeneration5();
  await at5.agent.stop();
  await at5.manager[Symbol.asyncDispose]();
  const again = await at5.fabric.startAgent();
  const status = await again.status(({ tunnel }) => tunnel.status === "waiting");
  expect(status.generation.observed).toBe("5");
  expect(again.service.health.report()).toMatchObject({ ready: true });
});

test("says in Hello what it works from, so that nothing is fetched twice", async () => {
  await using at5 = await openAtGeneration5();
  await at5.agent.stop();
  const before = at5.manager.snapshotRequests;
  await at5.fabric.startAgent();
  const hello = (await (await at5.manager.session(1)).next("hello")).value;
  expect(hello.observedGeneration).toBe(5n);
  await (await at5.manager.session(1)).next("heartbeat");
  expect(at5.manager.snapshotRequests).toBe(before);
});

test("an app with a spec that makes no sense fails alone, with the reason", async () => {
  await using at5 = await openAtGeneration5();
  await at5.manager.desire({ generation: 6n, apps: [aSpec({ appId: appId(1), replicas: 500 })] });
  const session = await at5.manager.session(0);
  const status = await session.next("status", ({ apps }) => apps.length === 1);
  expect(status.value.apps[0]?.conditions).toContainEqual(
    expect.objectContaining({
      type: "Failed",
      status: "True",
      reason: "SpecInvalid",
      message: expect.stringContaining("500 replicas"),
    }),
  );
});

test("moves a damaged identity aside and goes on with the one before it", async () => {
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: ["127.0.0.1:9"] });
  await fabric.activate({ tunnel: ["127.0.0.1:9"] });
  const { writeFile, readdir } = await import("node:fs/promises");
  await writeFile(`${fabric.layout.identity}/gen-2/tls.key`, "damaged");
  const log = createTestLogger();
  const store = createIdentityStore({ directory: fabric.layout.identity, clock: systemClock, logger: log.logger });
  expect((await store.load())?.meta.generation).toBe(1);
  expect(log.withMessage("unusable state file moved aside")).toHaveLength(1);
  expect((await readdir(fabric.layout.identity)).some((name) => name.startsWith("gen-2.corrupt-"))).toBe(true);
});
