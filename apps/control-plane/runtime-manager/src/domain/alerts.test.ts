import { describe, expect, test } from "vitest";
import { alertChanges, evaluateAlerts, type AgentFacts } from "./alerts.ts";
import type { HealthAlert, HeldCertificate } from "./fabric.ts";

const hourMs = 3_600_000;
const at = (hours: number): Date => new Date(hours * hourMs);

/** Lives from 0 h to 100 h, is renewed at 50 h. */
function held(change: Partial<HeldCertificate> = {}): HeldCertificate {
  return { purpose: "tunnel", serialNumber: "01", notAfter: at(100), renewAt: at(50), lastFailure: "", ...change };
}

function facts(change: Partial<AgentFacts> = {}): AgentFacts {
  return {
    own: [],
    certificates: [],
    tunnel: { serialNumber: "01", notBefore: at(0), notAfter: at(100) },
    clockSkewMs: 0,
    clockSkewWarnSeconds: 60,
    acknowledgedSequence: 1n,
    newestBundle: { sequence: 1n, since: at(0) },
    connectedAt: at(0),
    lock: undefined,
    ...change,
  };
}

function look(about: Partial<AgentFacts>, hours: number, previous: readonly HealthAlert[] = []) {
  return evaluateAlerts(facts(about), { previous, now: at(hours) });
}

const reasonsOf = (about: Partial<AgentFacts>, hours: number) => look(about, hours).alerts.map(({ reason }) => reason);

describe.each([
  ["the tunnel's certificate, told or not", {}],
  ["a tunnel certificate that was told", { certificates: [held()] }],
  [
    "a monitoring certificate",
    {
      certificates: [held({ purpose: "monitoring", serialNumber: "02" })],
      tunnel: { serialNumber: "01", notBefore: undefined, notAfter: at(1_000) },
    },
  ],
])("of %s", (_what, about: Partial<AgentFacts>) => {
  test.each([
    [74.9, []],
    [75, ["CertificateExpiring"]],
    [89.9, ["CertificateExpiring"]],
    [90, ["CertificateExpiryCritical", "CertificateExpiring"]],
    [120, ["CertificateExpiryCritical", "CertificateExpiring"]],
  ])("at %d %% of its life: %j", (hours, reasons) => {
    expect(reasonsOf(about, hours)).toEqual(reasons);
  });

  test("the next look is when the next alert begins", () => {
    expect([0, 75, 90].map((hours) => look(about, hours).nextAt)).toEqual([at(75), at(90), undefined]);
  });
});

test("a renewal that failed is an alert when it is late, and not before", () => {
  const failing = { certificates: [held({ lastFailure: "RENEWAL_UNAVAILABLE" })] };
  expect(reasonsOf(failing, 50)).toEqual([]);
  expect(look(failing, 50).nextAt).toEqual(at(50 + 1 / 6));
  expect(look(failing, 50.2).alerts).toMatchObject([
    { reason: "RenewalFailing", message: "the tunnel certificate is not renewed: RENEWAL_UNAVAILABLE" },
  ]);
  expect(reasonsOf({ certificates: [held()] }, 50.2)).toEqual([]);
});

test("an agent that has not acknowledged the newest bundle ten minutes after it could is behind", () => {
  const behind = { newestBundle: { sequence: 2n, since: at(10) } };
  expect(reasonsOf(behind, 10.16)).toEqual([]);
  expect(reasonsOf(behind, 10.17)).toEqual(["TrustBundleBehind"]);
  expect(reasonsOf({ ...behind, connectedAt: at(20) }, 20.1)).toEqual([]);
  expect(reasonsOf({ ...behind, connectedAt: undefined }, 50)).toEqual([]);
  expect(reasonsOf({ ...behind, acknowledgedSequence: 2n }, 50)).toEqual([]);
});

test("a clock that is more than the limit off is an alert, in either direction (R21)", () => {
  expect([60_000, 60_001, -60_001].map((clockSkewMs) => reasonsOf({ clockSkewMs }, 1))).toEqual([
    [],
    ["ClockSkew"],
    ["ClockSkew"],
  ]);
});

test("a locked agent has an alert", () => {
  expect(look({ lock: { message: "two of them", at: at(1) } }, 2).alerts).toMatchObject([
    { reason: "AgentLocked", message: "two of them" },
  ]);
});

test("an alert keeps its beginning, and what both certificates have in common is one alert", () => {
  const both = { certificates: [held(), held({ purpose: "monitoring", serialNumber: "02" })] };
  const first = look(both, 80).alerts;
  expect(first).toMatchObject([{ reason: "CertificateExpiring", since: at(80) }]);
  expect(first[0]?.message).toMatch(/tunnel certificate .*; the monitoring certificate/);
  expect(look(both, 85, first).alerts).toEqual(first);
});

test("the agent's own alerts stand beside ours; what both see is one alert", () => {
  const own = ["DiskFull", "ClockSkew"].map((reason) => ({ reason, message: "", since: at(1) }));
  expect(reasonsOf({ own }, 2)).toEqual(["DiskFull", "ClockSkew"]);
  expect(look({ own, clockSkewMs: 90_000 }, 2).alerts).toMatchObject([
    { reason: "ClockSkew", message: expect.stringContaining("90 s ahead") as string },
    { reason: "DiskFull" },
  ]);
});

test("what began and what ended is told by reason, whatever the words", () => {
  const alert = (reason: string, message = "") => ({ reason, message, since: at(1) });
  const changes = alertChanges([alert("A"), alert("B", "then")], [alert("B", "now"), alert("C")]);
  expect(changes.map(({ alert: { reason }, change }) => [reason, change])).toEqual([
    ["A", "ended"],
    ["C", "began"],
  ]);
});
