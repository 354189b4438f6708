import { X509Certificate } from "node:crypto";
import { readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseTrustBundleJson } from "@drawbridge/pki";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test, vi } from "vitest";
import { startScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { bothRenewed, openDueWorld } from "./support/due-world.ts";
import { fabricId, openFabric } from "./support/test-fabric.ts";

let ca: TestCa;

beforeAll(async () => {
  ca = await createTestCa();
});

test("renews tunnel and monitoring certificate over the tunnel, make before break (REN 1, REN 2, R6)", async () => {
  await using world = await openDueWorld();
  const { manager, fabric } = world;
  const before = await fabric.serials();
  const agent = await fabric.startAgent();
  const first = await manager.session(0);
  const second = await manager.session(1);
  const hellos = [await first.next("hello"), await second.next("hello")].map(({ value }) => value);
  expect((await first.next("goodbye")).value.reason).toBe("handover");
  await bothRenewed(agent, before);

  const after = await fabric.serials();
  expect([first.serialNumber, second.serialNumber]).toEqual([before.tunnel, after.tunnel]);
  expect(hellos[1]?.bootId).toBe(hellos[0]?.bootId);
  expect(hellos[1]?.epoch).toBeGreaterThan(hellos[0]?.epoch ?? 0n);
  expect(hellos[0]?.certificates.map(({ serialNumber }) => serialNumber)).toEqual([before.tunnel, before.monitoring]);
  expect(agent.log.withMessage("no tunnel, apps go on")).toEqual([]);

  // The old generation is kept, the key is a new one, nothing is left half done.
  for (const kind of ["identity", "monitoring"] as const) {
    const folder = fabric.layout[kind];
    expect((await readdir(folder)).toSorted()).toEqual(expect.arrayContaining(["current", "gen-1", "gen-2"]));
    expect(await readlink(join(folder, "current"))).toBe("gen-2");
    const keys = await Promise.all(["gen-1", "gen-2"].map((each) => readFile(join(folder, each, "tls.key"), "utf8")));
    expect(keys[0]).not.toBe(keys[1]);
    await expect.poll(() => readdir(join(folder, "next"))).toEqual([]);
  }
});

test("a lost answer is asked for again with the same request, and gives the same certificate (R6)", async () => {
  await using world = await openDueWorld();
  const { manager, fabric } = world;
  manager.renewals.lose = 2; // of both certificates
  const before = await fabric.serials();
  const agent = await fabric.startAgent();
  const session = await manager.session(0);
  await session.next("renew");
  await session.next("renew");
  manager.cut();
  await bothRenewed(agent, before);
  expect(manager.renewals.issued).toHaveLength(2);
  expect(new Set(manager.renewals.requests.map(({ requestId }) => requestId)).size).toBe(2);
});

test("stays on the old tunnel while renewal fails, and says so (R6)", async () => {
  await using world = await openDueWorld();
  const { manager, fabric } = world;
  manager.renewals.errors = Array.from({ length: 100 }, () => "RENEWAL_OVERLOADED");
  const before = await fabric.serials();
  const agent = await fabric.startAgent();
  const { certificates } = await agent.status((status) => status.certificates.some((each) => each.lastFailure !== ""));
  expect(certificates.map(({ lastFailure }) => lastFailure)).toContain("RENEWAL_OVERLOADED");
  expect(await fabric.serials()).toEqual(before);
  expect(manager.sessions).toHaveLength(1);
  await agent.status(({ tunnel }) => tunnel.status === "connected");
});

test.for([
  [
    "of somebody else",
    async (other: TestCa) => [...(await other.issueAgent({ org: "acme", fabricId, agentId: fabricId })).chainDer],
  ],
  ["nothing at all", () => Promise.resolve([])],
] as const)("does not use an answer with a certificate %s", async ([, make]) => {
  await using world = await openDueWorld();
  const { manager, fabric } = world;
  const chain = (await make(ca)).map((der) => Buffer.from(der));
  manager.renewals.alter = (result) => ({ ...result, certificatesDer: chain });
  const before = await fabric.serials();
  const agent = await fabric.startAgent();
  const { certificates } = await agent.status(
    (status) => status.certificates.every((each) => each.lastFailure !== "") && status.certificates.length === 2,
  );
  expect(certificates.map(({ lastFailure }) => lastFailure)).toEqual([
    "RENEWAL_ANSWER_INVALID",
    "RENEWAL_ANSWER_INVALID",
  ]);
  expect(await fabric.serials()).toEqual(before);
});

test("renews what RenewNow names, and nothing else (R8)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const before = await fabric.serials();
  const agent = await fabric.startAgent();
  const session = await manager.session(0);
  session.send({
    $case: "renewNow",
    value: { reason: "outdated", withinMs: 1, serialNumbers: [before.monitoring, "ff"] },
  });
  await agent.status(({ certificates }) =>
    certificates.some(({ purpose, serialNumber }) => purpose === "monitoring" && serialNumber !== before.monitoring),
  );
  expect((await fabric.serials()).tunnel).toBe(before.tunnel);
  expect(manager.renewals.requests.map(({ purpose }) => purpose)).toEqual([2]);
});

test("a monitoring certificate that was lost is asked for anew, without a serial number (REN 3)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  await rm(fabric.layout.monitoring, { recursive: true });
  const agent = await fabric.startAgent();
  await agent.status(({ tunnel }) => tunnel.status === "connected");
  await vi.waitUntil(() => manager.renewals.issued.length === 1, { timeout: 240_000 });
  expect(manager.renewals.requests).toMatchObject([{ purpose: 2, currentSerial: "" }]);
  await vi.waitUntil(async () => (await fabric.serials()).monitoring === manager.renewals.issued[0], {
    timeout: 240_000,
  });
});

test("a renewal under a new root brings the root with it, and the tunnel goes over to it (R8)", async () => {
  const rotatesTo = await createTestCa();
  await using manager = await startScriptedRuntimeManager({ ca, fabricId, rotatesTo });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const before = await fabric.serials();
  const agent = await fabric.startAgent();
  const session = await manager.session(0);
  const serialNumbers = [before.tunnel, before.monitoring];
  session.send({ $case: "renewNow", value: { reason: "outdated", withinMs: 1, serialNumbers } });
  await bothRenewed(agent, before);
  const second = await manager.session(1);
  expect((await second.next("hello")).value.trustBundleSequence).toBe(2n);
  expect(second.serialNumber).toBe((await fabric.serials()).tunnel);
  expect((await agent.status(() => true)).trustBundleSequence).toBe("2");
  const [root] = rotatesTo.trustBundle.rootsDer;
  const { rootsDer } = parseTrustBundleJson(await readFile(fabric.layout.trustBundle, "utf8"));
  expect(rootsDer.map((der) => Buffer.from(der).toString("hex"))).toContain(Buffer.from(root ?? []).toString("hex"));
});

test("ten seconds of life are renewed again and again without losing the tunnel (drill)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId, leafTtlSeconds: 10 });
  manager.kicksSuperseded = true;
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] }, { now: new Date(), ttlSeconds: 10 });
  const agent = await fabric.startAgent();
  for (let index = 0; index < 4; index += 1) await manager.session(index);
  expect(agent.log.withMessage("no tunnel, apps go on")).toEqual([]);
  const certificate = new X509Certificate(await readFile(join(fabric.layout.identity, "current", "tls.crt")));
  expect(certificate.validToDate.getTime()).toBeGreaterThan(Date.now());
});
