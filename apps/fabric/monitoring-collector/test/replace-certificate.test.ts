import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "./support/collector-process.ts";
import { startWorld, type Fabric, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

/** Resolves when `count` more check-ins were answered. */
async function moreCheckIns({ collector }: Fabric, count: number): Promise<void> {
  const from = await collector.metric("check_ins", 'result="ok"');
  await until(async () => (await collector.metric("check_ins", 'result="ok"')) >= from + count);
}

/** Check-ins that did not end well. */
async function failures({ collector }: Fabric): Promise<number> {
  const counts = ["refused", "unavailable", "unreachable", "failed"].map((result) =>
    collector.metric("check_ins", `result="${result}"`),
  );
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

test("changes to a replaced pair without a restart and without a failed check-in, at one every 50 ms (REN 7)", async () => {
  await using fabric = await world.createFabric();
  const first = await fabric.issue();
  await fabric.install(1, first);
  await fabric.collector.start();
  await moreCheckIns(fabric, 5);

  let generation = 1;
  let latest = first;
  while (generation < 4) {
    latest = await fabric.issue();
    generation += 1;
    await fabric.install(generation, latest);
    await until(async () => (await fabric.seen())?.certificateSerial === latest.serialNumber);
    await moreCheckIns(fabric, 5);
  }
  expect(await failures(fabric)).toBe(0);
  expect(await fabric.seen()).toMatchObject({ certificateSerial: latest.serialNumber, certificatesSeen: 4 });
  expect(await fabric.collector.metric("reconnects", 'reason="certificate_replaced"')).toBe(3);
  expect(await fabric.collector.metric("reconnects", 'reason="start"')).toBe(1);
  expect(await fabric.collector.stop()).toBe(0);
});

test("keeps the pair it has while the files are half, torn, another's or no text at all, and says so", async () => {
  await using fabric = await world.createFabric();
  const [first, second] = [await fabric.issue(), await fabric.issue()];
  await fabric.install(1, first);
  await fabric.collector.start();
  await moreCheckIns(fabric, 3);

  const agent = await fabric.issue("agent");
  const bad: readonly Readonly<Record<string, string>>[] = [
    { "tls.key": second.privateKeyPem },
    { "tls.key": first.privateKeyPem, "tls.crt": second.certificateChainPem },
    { "tls.key": second.privateKeyPem, "tls.crt": second.certificateChainPem.slice(0, 500) },
    { "tls.key": "", "tls.crt": "" },
    { "tls.key": agent.privateKeyPem, "tls.crt": agent.certificateChainPem },
  ];
  for (const [index, files] of bad.entries()) {
    await fabric.stage(index + 2, files);
    await fabric.flip(index + 2);
    await until(async () => (await fabric.collector.metric("credentials_unusable")) === 1);
    await moreCheckIns(fabric, 3);
    await fabric.flip(1);
    await until(async () => (await fabric.collector.metric("credentials_unusable")) === 0);
  }
  expect((await fabric.collector.readyz()).ready).toBe(true);
  expect(await failures(fabric)).toBe(0);
  expect(await fabric.seen()).toMatchObject({ certificateSerial: first.serialNumber, certificatesSeen: 1 });
  expect(fabric.collector.output()).toContain("going on with the earlier ones");
});

test("takes a changed trust bundle over a new connection, without a failed check-in (REN 6)", async () => {
  await using fabric = await world.createFabric();
  const pair = await fabric.issue();
  await fabric.install(1, pair);
  await fabric.collector.start();
  await moreCheckIns(fabric, 3);
  await fabric.trust({ ...pair.trustBundle, sequence: pair.trustBundle.sequence + 1n });
  await until(async () => (await fabric.collector.metric("reconnects", 'reason="trust_bundle_replaced"')) === 1);
  await moreCheckIns(fabric, 3);
  expect(await failures(fabric)).toBe(0);
  expect((await fabric.seen())?.certificatesSeen).toBe(1);
});

test("waits for a pair and says so; an agent's certificate is none", async () => {
  await using fabric = await world.createFabric();
  await fabric.collector.start();
  const waiting = await fabric.collector.readyz();
  expect(waiting.ready).toBe(false);
  expect(waiting.checks["credentials"]).toContain("monitoring/current");
  await fabric.install(1, await fabric.issue("agent"));
  await until(async () => (await fabric.collector.readyz()).checks["credentials"]?.includes("which is no collector"));
  await fabric.install(2, await fabric.issue());
  await until(async () => (await fabric.collector.readyz()).ready);
});

test("a revoked certificate is refused by name; the collector comes back with the next pair", async () => {
  await using fabric = await world.createFabric();
  const lost = await fabric.issue();
  await world.revoke(lost.serialNumber);
  await fabric.install(1, lost);
  await fabric.collector.start();
  await until(async () => (await fabric.collector.metric("check_ins", 'result="refused"')) > 0);
  expect((await fabric.collector.readyz()).checks["check-in"]).toContain("was revoked");
  await fabric.install(2, await fabric.issue());
  await moreCheckIns(fabric, 3);
});

test("both ends survive kill -9 of either", async () => {
  await using fabric = await world.createFabric();
  await fabric.install(1, await fabric.issue());
  await fabric.collector.start();
  await moreCheckIns(fabric, 3);

  await world.ingest.kill();
  await until(async () => (await fabric.collector.metric("check_ins", 'result="unreachable"')) > 0);
  await world.ingest.start();
  await moreCheckIns(fabric, 3);
  expect(await fabric.collector.metric("reconnects", 'reason="connection_lost"')).toBeGreaterThan(0);

  await fabric.collector.kill();
  const before = (await fabric.seen())?.lastSeenAt ?? new Date();
  await fabric.collector.start();
  await until(async () => ((await fabric.seen())?.lastSeenAt ?? before) > before);
  expect((await fabric.seen())?.certificatesSeen).toBe(1);
});

test("ends with 2 and names the setting where one is missing", async () => {
  const { stderr, status } = spawnSync(process.execPath, [join(import.meta.dirname, "../src/main.ts")], {
    env: { PATH: process.env["PATH"] ?? "" },
    encoding: "utf8",
  });
  expect(status).toBe(2);
  expect(stderr).toContain("DRAWBRIDGE_INGEST_ADDRESS: is not set");
});
