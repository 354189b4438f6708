import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { AddressDetail } from "@drawbridge/contracts/apis/v1/configuration";
import { GapReason } from "@drawbridge/contracts/analytics/v1/request_batch";
import { expect, test } from "vitest";
import { aPolicy } from "./support/api-tree.ts";
import type { GatewayProcess } from "./support/gateway-process.ts";
import { anInstance, everything, startToldFabric, type ToldFabric } from "./support/told-gateway.ts";

test("requests of an API that is told of are delivered within seconds, one by one (ANA 1, ANA 2)", async () => {
  await using fabric = await startToldFabric();
  await using gateway = await fabric.start();
  await fabric.ask(3, "/orders/17/lines?x=1", { headers: { "user-agent": "test/1" } });
  await fabric.ask(1, "/elsewhere");
  await expect.poll(() => fabric.ingest.requests()).toHaveLength(3);
  expect(fabric.ingest.requests()[0]).toMatchObject({
    api: "orders",
    environment: "production",
    app: "shop",
    verb: "GET",
    status: 200,
    resourcePath: "/{}/lines",
    userAgent: "test/1",
    replica: "replica-of-one",
    clientAddress: "127.0.0.1",
  });
  await fabric.ask(2); // not a second before the end
  await gateway.stop();
  expect(fabric.ingest.requests()).toHaveLength(5);
});

test("an API is told of as its document says, one without the setting not at all, other resources never (GK 2, ANA 3)", async () => {
  await using fabric = await startToldFabric({ apis: ["orders", "billing", "silent"] });
  await fabric.publish([
    anInstance("orders", { clientAddress: AddressDetail.ADDRESS_DETAIL_TRUNCATED, userAgent: false }),
    anInstance("billing", { ...everything, clientAddress: AddressDetail.ADDRESS_DETAIL_HASHED }),
    anInstance("silent"),
  ]);
  await using gateway = await fabric.start();
  for (const path of ["/orders", "/silent", "/untracked", "/billing"]) {
    await fabric.ask(2, path, { headers: { "user-agent": "test/1" } });
  }
  await expect.poll(() => fabric.ingest.requests()).toHaveLength(4);
  const told = fabric.ingest.requests().map(({ api, clientAddress, userAgent }) => [api, clientAddress, userAgent]);
  const hash = fabric.ingest.requests().find(({ api }) => api === "billing")?.clientAddress ?? "";
  expect(hash).toMatch(/^fd[0-9a-f]{30}$/);
  // Each thread of the gateway tells of its own requests: between them there is no order.
  expect(told.toSorted(([one = ""], [other = ""]) => one.localeCompare(other))).toEqual([
    ["billing", hash, "test/1"],
    ["billing", hash, "test/1"],
    ["orders", "127.0.0.0", ""],
    ["orders", "127.0.0.0", ""],
  ]);
  await fabric.publish([anInstance("orders"), anInstance("billing"), anInstance("silent", everything)]);
  await expect.poll(async () => (await gateway.gate("silent"))?.state).toBe("live");
  await expect
    .poll(async () => {
      await fabric.ask(1, "/silent");
      return fabric.ingest.requests().filter(({ api }) => api === "silent").length;
    })
    .toBeGreaterThan(0);
  const before = fabric.ingest.requests().filter(({ api }) => api !== "silent").length;
  await fabric.ask(3, "/orders");
  await fabric.ask(3, "/billing");
  await gateway.stop();
  expect(fabric.ingest.requests().filter(({ api }) => api !== "silent")).toHaveLength(before);
});

const canary = "canary7f3a9";

/** In every place of a request that an app or a policy may read. */
async function askWithCanaries({ app }: ToldFabric): Promise<void> {
  const answer = await fetch(`${app.url}/orders/${canary}/${canary}-x.json?${canary}=${canary}#${canary}`, {
    method: "POST",
    body: JSON.stringify({ [canary]: canary }),
    headers: {
      "content-type": "application/json",
      cookie: `${canary}=${canary}`,
      authorization: `Bearer ${canary}`,
      referer: `https://${canary}.example/${canary}`,
      [`x-${canary}`]: canary,
      "x-request-id": canary,
      "x-forwarded-for": "198.51.100.23",
      client_id: canary,
      client_secret: canary,
      "user-agent": canary,
    },
  });
  await answer.text();
}

/** Of a file, and of the batches that it holds. */
function everyText(path: string): string {
  const bytes = readFileSync(path);
  const frames: string[] = [bytes.toString("latin1")];
  const mark = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]); // a frame of zstd (RFC 8878, section 3.1.1)
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    frames.push(zstdDecompressSync(bytes.subarray(at, at + bytes.readUInt32LE(at - 68))).toString("latin1"));
  }
  return frames.join("\n");
}

test("nothing of headers, cookies, path, query or body is in what is spooled or sent (ANA 2, META 4)", async () => {
  await using fabric = await startToldFabric({ settings: { ...everything, userAgent: false } });
  await fabric.ingest.stop();
  await using gateway = await fabric.start();
  await askWithCanaries(fabric);
  await fabric.publish([
    {
      ...anInstance("orders"),
      document: {
        revision: 2,
        analytics: { ...everything, userAgent: false },
        policies: [aPolicy("who calls", "client-id-enforcement", {})],
      },
    },
  ]);
  await expect
    .poll(async () => {
      await askWithCanaries(fabric);
      const { analytics } = await gateway.view();
      return analytics.state === "recording" ? (analytics.spool?.requests ?? 0) : 0;
    })
    .toBeGreaterThan(5);
  const spooled = readdirSync(fabric.spool)
    .filter((name) => name.startsWith("segment-"))
    .map((name) => everyText(join(fabric.spool, name)))
    .join("\n");
  expect(spooled).toContain("orders"); // it was looked into
  await fabric.ingest.start();
  await expect.poll(() => fabric.ingest.requests().map(({ status }) => status)).toContain(401);
  const batches = [...fabric.ingest.acknowledged.values()].map(({ bytes }) => bytes.toString("latin1"));
  const wire = [...fabric.ingest.wire.map((bytes) => bytes.toString("latin1")), ...batches].join("\n");
  expect(wire).toContain("who calls");
  for (const text of [spooled, wire, gateway.log()]) {
    expect(text.toLowerCase()).not.toContain(canary);
    expect(text).not.toContain("198.51.100.23");
  }
  expect(fabric.ingest.requests()[0]).toMatchObject({ resourcePath: "/{}/{}", userAgent: "", verb: "POST" });
});

test("a gateway that is killed delivers what it had not delivered, each batch once by its name (ANA 1)", async () => {
  await using fabric = await startToldFabric();
  await fabric.ingest.stop();
  const spooled = async (gateway: GatewayProcess): Promise<number> => (await waitingIn(gateway)).requests;
  const first = await fabric.start();
  await fabric.ask(30);
  await expect.poll(() => spooled(first)).toBe(30);
  await first.kill();
  const second = await fabric.start();
  await fabric.ask(12);
  await expect.poll(() => spooled(second)).toBe(42);
  await fabric.ingest.start();
  await expect.poll(() => fabric.ingest.accounted()).toBe(42);
  await second.kill(); // what is acknowledged may not be known yet
  await using third = await fabric.start();
  await fabric.ask(1);
  await expect.poll(() => fabric.ingest.requests()).toHaveLength(43);
  await third.stop();
  expect(fabric.ingest.requests()).toHaveLength(43);
  expect(fabric.ingest.accounted()).toBe(43);
  const epochs = [...fabric.ingest.acknowledged.keys()].map((name) => name.split(" ")[1]);
  expect(new Set(epochs).size).toBe(3);
});

test("of a gateway that is killed under load all answered requests are delivered or told as lost, and hardly more (ANA 1)", async () => {
  await using fabric = await startToldFabric();
  const threads = 2;
  const asked = { answered: 0, unknown: 0 };
  for (let round = 0; round < 3; round += 1) {
    const gateway = await fabric.start({ DRAWBRIDGE_WORKERS: String(threads) });
    const stopping = new AbortController();
    const clients = Array.from({ length: 4 }, () => askAlong(fabric, asked, stopping.signal));
    const before = asked.answered;
    await expect.poll(() => asked.answered - before).toBeGreaterThan(400);
    await gateway.kill();
    stopping.abort();
    await Promise.all(clients);
  }
  await using last = await fabric.start(); // asked by nobody
  await expect.poll(() => fabric.ingest.accounted()).toBeGreaterThanOrEqual(asked.answered);
  await expect.poll(async () => (await waitingIn(last)).requests).toBe(0);
  const aheadOfEach = 32; // recorded-counts.ts
  expect(fabric.ingest.accounted()).toBeLessThanOrEqual(asked.answered + asked.unknown + 3 * threads * aheadOfEach);
  expect(fabric.ingest.requests().length).toBeLessThanOrEqual(asked.answered + asked.unknown);
  const gaps = [...fabric.ingest.acknowledged.values()].flatMap((batch) => batch.gaps);
  expect(new Set(gaps.map(({ reason }) => reason))).toEqual(new Set([GapReason.GAP_REASON_INTERRUPTED]));
});

test("a gateway that is killed when all was handed over has lost nothing, and says so (ANA 1)", async () => {
  await using fabric = await startToldFabric();
  const first = await fabric.start();
  await fabric.ask(40);
  await expect.poll(() => fabric.ingest.requests()).toHaveLength(40);
  await expect.poll(async () => (await waitingIn(first)).requests).toBe(0);
  await first.kill();
  await using second = await fabric.start();
  await fabric.ask(1);
  await second.stop();
  expect(fabric.ingest.accounted()).toBe(41);
});

async function waitingIn(gateway: GatewayProcess): Promise<{ readonly requests: number }> {
  const { analytics } = await gateway.view();
  return { requests: analytics.state === "recording" ? (analytics.spool?.requests ?? 0) : 0 };
}

async function askAlong(
  { app }: ToldFabric,
  asked: { answered: number; unknown: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await (await fetch(`${app.url}/orders/17`)).text();
      asked.answered += 1;
    } catch {
      asked.unknown += 1; // taken by a gateway that was killed, or by none
    }
  }
}
