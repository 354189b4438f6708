import { expect, test } from "vitest";
import type { Tier } from "../../contracts/contract-set.ts";
import type { Enforcement } from "../../pipeline/enforcement.ts";
import type { Reply } from "../../pipeline/reply.ts";
import { aContract, anExchange, createPolicy, createTestContext, verdictOf } from "../../testing/harness.ts";
import { slaRateLimiting } from "./sla-rate-limiting.ts";

const start = Date.UTC(2026, 0, 1);
const gold: Tier = { tierId: "gold", name: "Gold", limits: [{ requests: 3, periodMs: 1_000 }] };
const silver: Tier = {
  tierId: "silver",
  name: "Silver",
  limits: [
    { requests: 2, periodMs: 1_000 },
    { requests: 2, periodMs: 60_000 },
  ],
};

function aPolicy(configuration: unknown = {}, tiers: readonly Tier[] = [gold, silver]): Promise<Enforcement> {
  const context = { ...createTestContext(), tiers: new Map(tiers.map((tier) => [tier.tierId, tier])) };
  return createPolicy(slaRateLimiting, configuration, { context });
}

function call(policy: Enforcement, client: ReturnType<typeof aContract> | undefined, nowMs = start): string {
  const exchange = anExchange({ nowMs });
  exchange.client = client;
  return verdictOf(policy.onRequest?.(exchange) as Reply | undefined);
}

const times = (count: number, use: () => string): readonly string[] => Array.from({ length: count }, use);

test("each client has the limits of its own tier, all of which hold", async () => {
  const policy = await aPolicy();
  const rich = aContract("rich", { tierId: "gold" });
  const poor = aContract("poor", { tierId: "silver" });
  expect(times(4, () => call(policy, rich))).toEqual(["pass", "pass", "pass", "429 sla_exceeded"]);
  expect(times(3, () => call(policy, poor))).toEqual(["pass", "pass", "429 sla_exceeded"]);
  expect([call(policy, rich, start + 1_000), call(policy, poor, start + 1_000)]).toEqual(["pass", "429 sla_exceeded"]);
});

test("clients of one tier are counted apart", async () => {
  const policy = await aPolicy();
  const verdicts = ["a", "b"].flatMap((clientId) =>
    times(2, () => call(policy, aContract(clientId, { tierId: "silver" }))),
  );
  expect(verdicts).toEqual(["pass", "pass", "pass", "pass"]);
});

test("a client without a tier, or with one that the API does not have, is refused, or limited as the operator says", async () => {
  const strict = await aPolicy();
  expect(call(strict, aContract("none"))).toBe("403 no_sla_tier");
  expect(call(strict, aContract("gone", { tierId: "platinum" }))).toBe("403 no_sla_tier");
  const lenient = await aPolicy({ withoutTier: { action: "limit", limits: [{ requests: 1, periodMs: 1_000 }] } });
  expect(times(2, () => call(lenient, aContract("none")))).toEqual(["pass", "429 sla_exceeded"]);
});

test("a request whose client no policy identified is refused", async () => {
  expect(call(await aPolicy(), undefined)).toBe("401 client_unknown");
});

test("waits for the contracts, and says that it needs a client", () => {
  expect(slaRateLimiting.requiresContracts({})).toBe(true);
  expect(slaRateLimiting.needs?.({})).toEqual(["client"]);
});
