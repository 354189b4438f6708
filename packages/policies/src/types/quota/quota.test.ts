import { expect, test } from "vitest";
import type { Reply } from "../../pipeline/reply.ts";
import { aContract, anExchange, createPolicy, problemsOf, verdictOf } from "../../testing/harness.ts";
import { calendarWindow, type CalendarPeriod } from "./calendar-window.ts";
import { quota } from "./quota.ts";

test.each<[CalendarPeriod, string, string]>([
  ["hour", "2026-03-29T01:59:59.999Z", "2026-03-29T02:00:00.000Z"],
  ["hour", "2026-03-29T02:00:00.000Z", "2026-03-29T03:00:00.000Z"],
  ["day", "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00.000Z"],
  ["week", "2026-11-22T12:00:00.000Z", "2026-11-23T00:00:00.000Z"],
  ["week", "2026-11-23T00:00:00.000Z", "2026-11-30T00:00:00.000Z"],
  ["month", "2028-02-29T12:00:00.000Z", "2028-03-01T00:00:00.000Z"],
  ["month", "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"],
])("the %s of %s ends at %s, in UTC", (period, now, end) => {
  const nowMs = Date.parse(now);
  const { window, endsAtMs } = calendarWindow(period, nowMs);
  expect(new Date(endsAtMs).toISOString()).toBe(end);
  expect(calendarWindow(period, endsAtMs - 1).window).toBe(window);
  expect(calendarWindow(period, endsAtMs).window).toBe(window + 1);
});

test("a client's quota is used up until its calendar period ends, and another's is its own", async () => {
  const policy = await createPolicy(quota, { requests: 2, per: "month" });
  const call = (clientId: string, now: string): Reply | undefined => {
    const exchange = anExchange({ nowMs: Date.parse(now) });
    exchange.client = aContract(clientId);
    return policy.onRequest(exchange) as Reply | undefined;
  };
  expect(verdictOf(call("a", "2026-01-01T00:00:00Z"))).toBe("pass");
  expect(verdictOf(call("a", "2026-01-15T00:00:00Z"))).toBe("pass");
  const refused = call("a", "2026-01-31T23:59:00Z");
  expect(verdictOf(refused)).toBe("429 quota_exceeded");
  expect(refused?.headers).toEqual(expect.arrayContaining(["retry-after", "60"]));
  expect(verdictOf(call("b", "2026-01-31T23:59:00Z"))).toBe("pass");
  expect(verdictOf(call("a", "2026-02-01T00:00:00Z"))).toBe("pass");
});

test("counts by client unless told otherwise, and says what it needs before it", () => {
  expect(quota.needs?.({ requests: 1, per: "day" })).toEqual(["client"]);
  expect(quota.needs?.({ requests: 1, per: "day", key: { by: "claim", name: "sub" } })).toEqual(["principal"]);
  expect(quota.needs?.({ requests: 1, per: "day", key: { by: "api" } })).toEqual([]);
});

test.each([
  [{ per: "day" }, "requests"],
  [{ requests: 1 }, "per"],
  [{ requests: 1, per: "year" }, "per"],
])("refuses the configuration %j at %s", (configuration, field) => {
  expect(problemsOf(quota, configuration)).toEqual([expect.stringMatching(new RegExp(`^${field}`))]);
});
