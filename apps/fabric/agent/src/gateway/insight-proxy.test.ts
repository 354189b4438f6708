import type { Departure } from "@drawbridge/egress";
import { FakeClock, createTestLogger, tempDir } from "@drawbridge/testkit";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noteInsightAllowance, readInsightAllowance } from "../egress/insight-allowance.ts";
import { reportsOfGateways } from "../egress/reports-of-gateways.ts";
import { createAnalyticsAccess } from "./analytics-access.ts";
import { createInsightProxy, type InsightRule } from "./insight-proxy.ts";

const sent = { url: "https://analytics.example:7450", exchanges: 3n, bytes: 4_096n };

function aLedger() {
  const departures: Departure[] = [];
  return { departures, record: (departure: Departure) => void departures.push(departure) };
}

test("what gateways sent of captured exchanges is in the ledger: to whom, how many, how much, which fields (META 4)", () => {
  const ledger = aLedger();
  createInsightProxy({ ledger })(sent);
  ledger.record(reportsOfGateways(sent.url, "insight"));
  const peer = "analytics-ingest analytics.example:7450";
  expect(ledger.departures).toMatchObject([
    { peer, messageType: "gateway.insight-exchanges", messages: 3, sizeBytes: 4_096 },
    { peer, messageType: "gateway.insight-access", sizeBytes: 0 },
  ]);
  for (const { fields } of ledger.departures) {
    expect(fields).toContainEqual({ path: "exchanges[].requestBody.json", dataClass: "PAYLOAD" });
  }
});

test("what was sent is in the ledger also after the owner has switched insight off", () => {
  const ledger = aLedger();
  createInsightProxy({ ledger })(sent);
  expect(ledger.departures).toMatchObject([{ messageType: "gateway.insight-exchanges", messages: 3 }]);
});

test("a report that makes no sense is refused", () => {
  const ledger = aLedger();
  const report = createInsightProxy({ ledger });
  expect(() => report({ ...sent, url: "no url" })).toThrow(
    expect.objectContaining({ code: "GATEWAY_REQUEST_INVALID" }),
  );
  expect(ledger.departures).toEqual([]);
});

test.each<["allowed" | "refused", InsightRule]>([
  ["allowed", "refused"],
  ["refused", "allowed"],
])(
  "with requests %s and captures %s a gateway gets access for the one and not for the other",
  async (rule, insight) => {
    const clock = new FakeClock();
    const expiresAt = new Date(clock.now().getTime() + 3_600_000);
    const access = createAnalyticsAccess({
      rule,
      insight,
      session: () => ({ getAnalyticsAccess: () => Promise.resolve({ token: "t", expiresAt, url: sent.url }) }),
      possibleNows: () => [clock.now()],
      proxy: undefined,
      onGiven: () => undefined,
      stopping: new AbortController().signal,
      clock,
    });
    const outcomeOf = (purpose: "requests" | "insight"): Promise<unknown> =>
      access.get(Buffer.alloc(0), purpose).then(
        () => "allowed",
        () => "refused",
      );
    expect([await outcomeOf("requests"), await outcomeOf("insight")]).toEqual([rule, insight]);
  },
);

test("the fabric says since when exchanges may be captured, also after restarts, and no more once it is forbidden", async () => {
  await using folder = await tempDir();
  const clock = new FakeClock();
  const { logger } = createTestLogger();
  const deps = { path: join(folder.path, "insight-allowance.json"), clock, logger };
  const since = clock.now().toISOString();
  await noteInsightAllowance({ ...deps, isAllowed: true, environments: undefined });
  clock.advance(60_000);
  await noteInsightAllowance({ ...deps, isAllowed: true, environments: undefined });
  expect(await readInsightAllowance(deps)).toEqual({ schemaVersion: 1, since });
  await noteInsightAllowance({ ...deps, isAllowed: true, environments: ["staging"] });
  expect(await readInsightAllowance(deps)).toMatchObject({
    since: clock.now().toISOString(),
    environments: ["staging"],
  });
  await noteInsightAllowance({ ...deps, isAllowed: false, environments: undefined });
  expect(await readInsightAllowance(deps)).toBeUndefined();
});
