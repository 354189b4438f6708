import { readdir, readFile, writeFile } from "node:fs/promises";
import type { AppSpec } from "@drawbridge/contracts/runtime/v1/app";
import { AppPhase } from "@drawbridge/contracts/runtime/v1/app";
import { createTestCa, tempDir, type TempDir, type TestCa } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeBundle } from "./support/make-bundle.ts";
import { startScriptedResolver } from "./support/scripted-resolver.ts";
import { aSpec, startScriptedRuntimeManager, type ScriptedSession } from "./support/scripted-runtime-manager.ts";
import { fabricId, openFabric, type StartOptions } from "./support/test-fabric.ts";

let ca: TestCa;
let folder: TempDir;
let first: Uint8Array;
let second: Uint8Array;

beforeAll(async () => {
  ca = await createTestCa();
  folder = await tempDir();
  first = await makeBundle(folder.path);
  second = await makeBundle(folder.path, { version: "2.0.0" });
});
afterAll(() => folder[Symbol.asyncDispose]());

const appId = "0190b8a0-0000-7000-8000-000000000001";

async function openDeployment(options: StartOptions = {}) {
  const manager = await startScriptedRuntimeManager({ ca, fabricId });
  const resolver = await startScriptedResolver(ca);
  const fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address], configResolver: resolver.url });
  const agent = await fabric.startAgent(options);
  const session = await manager.session(0);
  return {
    manager,
    resolver,
    fabric,
    agent,
    session,
    async [Symbol.asyncDispose]() {
      await fabric[Symbol.asyncDispose]();
      await resolver[Symbol.asyncDispose]();
      await manager[Symbol.asyncDispose]();
    },
  };
}

/** The first report in which the app has this phase. */
async function reported(session: ScriptedSession, phase: AppPhase, spec?: AppSpec) {
  const { value } = await session.next("status", ({ apps }) =>
    apps.some((app) => app.phase === phase && (spec === undefined || app.observedGeneration === spec.generation)),
  );
  const app = value.apps.find((each) => each.phase === phase);
  if (!app) throw new Error("the report was found by this phase");
  return app;
}

async function answerOf(app: { readonly endpoints: readonly string[] }, path = "/"): Promise<string> {
  return (await fetch(new URL(path, app.endpoints[0]))).text();
}

test("deploys, updates and rolls back an app with its configuration and secrets (MGT 2, MGT 3)", async () => {
  await using at = await openDeployment();
  const { manager, resolver, session } = at;
  const configuration = resolver.putConfiguration({
    properties: { ANSWER: "one" },
    secureProperties: { PASSWORD: "open sesame" },
  });
  const one = aSpec({ appId, bundle: resolver.putBundle(first), configuration });
  await manager.desire({ generation: 1n, apps: [one] });
  const running = await reported(session, AppPhase.APP_PHASE_RUNNING);
  expect(running).toMatchObject({
    appliedDigest: one.specDigest,
    servingRevision: 1n,
    readyReplicas: 1,
    observedGeneration: 1n,
  });
  expect(await answerOf(running)).toBe("one");
  expect(await answerOf(running, "/secret")).toBe("open sesame");

  const two = aSpec({ appId, bundle: resolver.putBundle(second), generation: 2n, revision: 2n, version: "2.0.0" });
  await manager.desire({ generation: 2n, apps: [two] });
  const updated = await reported(session, AppPhase.APP_PHASE_RUNNING, two);
  expect(await answerOf(updated)).toBe("version 2.0.0");
  expect(updated.endpoints).toEqual(running.endpoints);

  const three = aSpec({ appId, bundle: resolver.putBundle(first), configuration, generation: 3n, revision: 3n });
  await manager.desire({ generation: 3n, apps: [three] });
  expect(await answerOf(await reported(session, AppPhase.APP_PHASE_RUNNING, three))).toBe("one");

  const stopped = aSpec({ ...three, specDigest: "", generation: 4n, desiredState: 2 });
  await manager.desire({
    generation: 4n,
    apps: [{ ...stopped, specDigest: aSpec({ appId, generation: 4n }).specDigest }],
  });
  await reported(session, AppPhase.APP_PHASE_STOPPED);
  await manager.desire({ generation: 5n, tombstones: [{ appId, name: "shop", deletedAt: new Date() }] });
  await session.next("status", ({ removedAppIds }) => removedAppIds.includes(appId));
});

test("adopts running apps after its own restart, without a restart of theirs (MGT 5)", async () => {
  await using at = await openDeployment();
  const spec = aSpec({ appId, bundle: at.resolver.putBundle(first) });
  await at.manager.desire({ generation: 1n, apps: [spec] });
  const before = await reported(at.session, AppPhase.APP_PHASE_RUNNING);
  await at.agent.stop();
  expect(await answerOf(before)).toBe("version 1.0.0");
  at.resolver.isAway = true;
  await at.fabric.startAgent();
  const session = await at.manager.session(1);
  const { value } = await session.next("status", ({ apps }) => apps.length === 1);
  expect(value).toMatchObject({ complete: true });
  expect(value.apps[0]).toMatchObject({ phase: AppPhase.APP_PHASE_RUNNING, readyReplicas: 1 });
  expect(value.apps[0]?.replicas).toEqual(before.replicas);
});

test("keeps an app that is missing from the snapshot without a tombstone, and says so (R16)", async () => {
  await using at = await openDeployment();
  await at.manager.desire({ generation: 1n, apps: [aSpec({ appId, bundle: at.resolver.putBundle(first) })] });
  const running = await reported(at.session, AppPhase.APP_PHASE_RUNNING);
  await at.manager.desire({ generation: 2n, apps: [] });
  const status = await at.agent.status(({ alerts }) => alerts.some(({ reason }) => reason === "AppsNotInSnapshot"));
  expect(status.alerts).toMatchObject([{ message: expect.stringContaining("shop") }]);
  expect(await answerOf(running)).toBe("version 1.0.0");
});

test("continues a download that broke, by Range, and verifies the whole", async () => {
  await using at = await openDeployment();
  at.resolver.breakAfterBytes = 100;
  const spec = aSpec({ appId, bundle: at.resolver.putBundle(first) });
  await at.manager.desire({ generation: 1n, apps: [spec] });
  await reported(at.session, AppPhase.APP_PHASE_RUNNING);
  expect(at.resolver.requests.map(({ range }) => range)).toEqual([undefined, "bytes=100-"]);
});

test("refuses a bundle of the wrong digest; the version before it goes on serving", async () => {
  await using at = await openDeployment();
  const one = aSpec({ appId, bundle: at.resolver.putBundle(first) });
  await at.manager.desire({ generation: 1n, apps: [one] });
  const running = await reported(at.session, AppPhase.APP_PHASE_RUNNING);
  const bundle = at.resolver.putBundle(second);
  at.resolver.replace(bundle.digest, Buffer.alloc(second.length, 1));
  const two = aSpec({ appId, bundle, generation: 2n, revision: 2n });
  await at.manager.desire({ generation: 2n, apps: [two] });
  const failed = await reported(at.session, AppPhase.APP_PHASE_FAILED);
  expect(failed).toMatchObject({ observedGeneration: 2n, servingRevision: 1n, appliedDigest: one.specDigest });
  expect(failed.conditions).toContainEqual(
    expect.objectContaining({
      type: "Failed",
      status: "True",
      reason: "BundleDigestMismatch",
      message: expect.stringContaining("revision 1 goes on serving"),
    }),
  );
  expect(await answerOf(running)).toBe("version 1.0.0");
  expect(await readdir(at.fabric.layout.downloads)).toEqual([]);
});

test("says why when the fabric may not have the bundle, and when the configuration does not fit", async () => {
  await using at = await openDeployment();
  const other = "0190b8a0-0000-7000-8000-000000000002";
  const configuration = at.resolver.putConfiguration({ properties: { UNKNOWN: "x" } });
  await at.manager.desire({
    generation: 1n,
    apps: [
      aSpec({ appId }),
      aSpec({ appId: other, name: "other", bundle: at.resolver.putBundle(first), configuration }),
    ],
  });
  const reasons = new Map<string, string | undefined>();
  while (reasons.size < 2) {
    const { value } = await at.session.next("status");
    for (const app of value.apps) {
      if (app.phase !== AppPhase.APP_PHASE_FAILED) continue;
      reasons.set(app.appId, app.conditions.find(({ type }) => type === "Failed")?.reason);
    }
  }
  expect(reasons.get(appId)).toBe("BundleUnavailable");
  expect(reasons.get(other)).toBe("ConfigurationInvalid");
});

test("reports a crash loop as Failed while the version before it serves", async () => {
  await using at = await openDeployment();
  await at.manager.desire({ generation: 1n, apps: [aSpec({ appId, bundle: at.resolver.putBundle(first) })] });
  await reported(at.session, AppPhase.APP_PHASE_RUNNING);
  const broken = await makeBundle(folder.path, { version: "3.0.0", source: "process.exit(7);" });
  const two = aSpec({ appId, bundle: at.resolver.putBundle(broken), generation: 2n, revision: 2n, version: "3.0.0" });
  await at.manager.desire({ generation: 2n, apps: [two] });
  const failed = await reported(at.session, AppPhase.APP_PHASE_FAILED);
  expect(failed).toMatchObject({ servingRevision: 1n });
  expect(failed.conditions.find(({ type }) => type === "Failed")).toMatchObject({ reason: "CrashLoop" });
});

test("gives an app up for a newer generation while its bundle cannot be had", async () => {
  await using at = await openDeployment();
  const bundle = at.resolver.putBundle(first);
  at.resolver.isAway = true;
  await at.manager.desire({ generation: 1n, apps: [aSpec({ appId, bundle })] });
  await at.session.next("status", ({ apps }) => apps[0]?.phase === AppPhase.APP_PHASE_PROGRESSING);
  at.resolver.isAway = false;
  const two = aSpec({ appId, bundle: at.resolver.putBundle(second), generation: 2n, revision: 2n, version: "2.0.0" });
  await at.manager.desire({ generation: 2n, apps: [two] });
  expect(await answerOf(await reported(at.session, AppPhase.APP_PHASE_RUNNING))).toBe("version 2.0.0");
});

test("sends a report again until it is acknowledged, and after that only what changed", async () => {
  await using at = await openDeployment();
  at.manager.acknowledgesStatus = false;
  await at.manager.desire({ generation: 1n, apps: [aSpec({ appId, bundle: at.resolver.putBundle(first) })] });
  await at.agent.status(({ apps }) => apps[0]?.phase === "running");
  at.manager.acknowledgesStatus = true;
  at.manager.cut();
  const session = await at.manager.session(1);
  const full = await session.next("status");
  expect(full.value).toMatchObject({ complete: true, observedGeneration: 1n });
  expect(full.value.apps).toHaveLength(1);
  await at.manager.desire({ generation: 2n, apps: [aSpec({ appId, bundle: at.resolver.putBundle(first) })] });
  const next = await session.next("status", ({ observedGeneration }) => observedGeneration === 2n);
  expect(next.value).toMatchObject({ complete: false, apps: [] });
});

test("sends no log where the fabric's owner did not allow it, and the lines where he did (META 4)", async () => {
  await using at = await openDeployment();
  const spec = aSpec({ appId, bundle: at.resolver.putBundle(first) });
  await at.manager.desire({ generation: 1n, apps: [spec] });
  await reported(at.session, AppPhase.APP_PHASE_RUNNING);
  at.session.send({ $case: "logsRequest", value: { appId, replicaId: "", tailLines: 10, follow: false } }, "order-1");
  const refused = await at.session.next("logsChunk");
  expect(refused).toMatchObject({
    correlationId: "order-1",
    value: { lines: [], end: true, errorCode: "LOGS_NOT_ALLOWED" },
  });
  await at.agent.stop();

  await at.fabric.startAgent({ config: { ALLOW_LOGS: true } });
  const session = await at.manager.session(1);
  expect((await session.next("hello")).value.cluster?.logsAllowed).toBe(true);
  await session.next("status");
  session.send({ $case: "logsRequest", value: { appId, replicaId: "", tailLines: 10, follow: true } }, "order-2");
  const chunk = await session.next("logsChunk");
  expect(chunk.value.lines.map(({ line }) => line)).toEqual(["listening with version 1.0.0"]);
  session.send({ $case: "logsCancel", value: {} }, "order-2");
  session.send(
    { $case: "logsRequest", value: { appId: fabricId, replicaId: "", tailLines: 1, follow: false } },
    "order-3",
  );
  expect((await session.next("logsChunk", ({ errorCode }) => errorCode !== "")).value.errorCode).toBe("APP_NOT_FOUND");
});

test("keeps a ledger of what left, with shapes and without values", async () => {
  await using at = await openDeployment();
  const configuration = at.resolver.putConfiguration({ properties: { ANSWER: "a value nobody else should see" } });
  const spec = aSpec({ appId, bundle: at.resolver.putBundle(first), configuration });
  await at.manager.desire({ generation: 1n, apps: [spec] });
  await reported(at.session, AppPhase.APP_PHASE_RUNNING);
  await at.agent.stop();
  const names = await readdir(at.fabric.layout.egress);
  const texts = await Promise.all(names.map((name) => readFile(`${at.fabric.layout.egress}/${name}`, "utf8")));
  const entries = texts.flatMap(
    (text) => (JSON.parse(text) as { entries: { messageType: string; shape: object }[] }).entries,
  );
  expect(entries.map(({ messageType }) => messageType)).toEqual(
    expect.arrayContaining([
      "tunnel.hello",
      "tunnel.status",
      "tunnel.getSnapshot",
      "config-resolver.get-bundle",
      "config-resolver.get-configuration",
    ]),
  );
  const status = entries.find(({ messageType }) => messageType === "tunnel.status");
  expect(status?.shape).toMatchObject({ "frame.status.apps[].conditions[].reason": "METADATA" });
  expect(texts.join()).not.toContain("a value nobody");
  expect(texts.join()).not.toContain(appId);
});

test("goes on with a state folder whose files were damaged, and keeps them for a look", async () => {
  await using at = await openDeployment();
  await at.manager.desire({ generation: 1n, apps: [aSpec({ appId, bundle: at.resolver.putBundle(first) })] });
  const running = await reported(at.session, AppPhase.APP_PHASE_RUNNING);
  await at.agent.stop();
  await writeFile(at.fabric.layout.state, "{");
  await writeFile(`${at.fabric.layout.desired}/1.json.jws`, "damaged.damaged.damaged");
  const again = await at.fabric.startAgent();
  const session = await at.manager.session(1);
  await reported(session, AppPhase.APP_PHASE_RUNNING);
  expect(await answerOf(running)).toBe("version 1.0.0");
  expect(again.log.withMessage("unusable state file moved aside")).toHaveLength(2);
});
