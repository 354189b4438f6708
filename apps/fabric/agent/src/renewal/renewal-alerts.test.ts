import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createAlertBoard } from "../alerts/alert-board.ts";
import type { Held } from "./certificate-renewer.ts";
import { raiseRenewalAlerts } from "./renewal-alerts.ts";

const start = new Date("2026-06-01T00:00:00Z");
const at = (share: number): Date => new Date(start.getTime() + share * 1_000_000);

function held(change: Partial<Held> = {}): Held {
  const id = "0190b8a0-0000-7000-8000-00000000f001";
  return {
    purpose: "tunnel",
    meta: {
      schemaVersion: 1,
      generation: 1,
      spiffeId: "spiffe://drawbridge.local/x",
      serialNumber: "aa",
      notBefore: start.toISOString(),
      notAfter: at(1).toISOString(),
      createdAt: start.toISOString(),
      fabricId: id,
      fabricName: "berlin",
      agentId: id,
      tokenId: id,
      endpoints: { tunnel: ["127.0.0.1:1"], configResolver: "https://127.0.0.1:1", activation: [] },
    },
    renewAt: at(0.5),
    lastFailure: "",
    failures: 0,
    ...change,
  };
}

function alertsOf(certificates: readonly Held[], now: Date): readonly string[] {
  const alerts = createAlertBoard({ clock: new FakeClock() });
  raiseRenewalAlerts(certificates, alerts, now);
  return alerts.list().map(({ reason }) => reason);
}

test("a quarter of the life left is an alert, a tenth another one, for either certificate (R6)", () => {
  expect(alertsOf([held()], at(0.7))).toEqual([]);
  expect(alertsOf([held(), held({ purpose: "monitoring" })], at(0.8))).toEqual(["CertificateExpiring"]);
  expect(alertsOf([held()], at(0.95))).toEqual(["CertificateExpiring", "CertificateExpiryCritical"]);
});

test("renewal that fails is an alert after three times, or at once when little is left", () => {
  const failing = held({ failures: 2, lastFailure: "RENEWAL_OVERLOADED" });
  expect(alertsOf([failing], at(0.5))).toEqual([]);
  expect(alertsOf([{ ...failing, failures: 3 }], at(0.5))).toEqual(["RenewalFailing"]);
  expect(alertsOf([{ ...failing, failures: 1 }], at(0.8))).toEqual(["CertificateExpiring", "RenewalFailing"]);
});

test("an alert ends when the certificate was renewed", () => {
  const alerts = createAlertBoard({ clock: new FakeClock() });
  raiseRenewalAlerts([held({ failures: 3, lastFailure: "X" })], alerts, at(0.95));
  raiseRenewalAlerts([held()], alerts, at(0.1));
  expect(alerts.list()).toEqual([]);
});
