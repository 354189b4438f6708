import type { GateReport } from "@drawbridge/contracts/gateway/v1/gateway_service";
import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { GateBook } from "../gatekeeper/gate-book.ts";
import { GateReporter } from "./gate-reporter.ts";

function aReporter(apps: number, apisPerApp: number) {
  const gates = new GateBook();
  const clock = new FakeClock();
  for (let app = 0; app < apps; app += 1) {
    for (let api = 0; api < apisPerApp; api += 1) {
      const binding = { name: `api-${api}`, version: "1", basePath: `/${api}`, resources: [] };
      const deployment = {
        key: "one",
        revision: "1",
        replicaIds: [],
        runtimeVersion: undefined,
        level: "strict" as const,
        levelSource: "app",
        apis: [binding],
      };
      const owner = { appId: `app-${app}`, appName: `app ${app}`, environment: "production" };
      gates.engage(owner, deployment, binding, { now: clock.now(), nowMs: 0 });
    }
  }
  const sent: GateReport[] = [];
  const gatekeeper = {
    gates,
    explain: () => ({ reason: "", message: "" }),
    sets: () => ({ enforced: undefined, desiredRevision: 0, problems: [], cachedAt: undefined }),
  };
  const reporter = new GateReporter({
    gatewayId: "gateway-0",
    gatekeeper,
    clock,
    send: (report) => sent.push(report) > 0,
  });
  return { reporter, clock, sent };
}

const countOf = (reports: readonly GateReport[]) =>
  reports.flatMap(({ apps }) => apps.flatMap(({ gates }) => gates)).length;

test("all gates are reported in messages of at most 500 gates, of which the first begins anew (MGT 5)", () => {
  const reports = aReporter(600, 2).reporter.complete();
  expect(reports.map(({ complete }) => complete)).toEqual([true, false, false]);
  expect(reports.map(({ apps }) => apps.length)).toEqual([250, 250, 100]);
  expect(countOf(reports)).toBe(1_200);
});

test("an app is never parted, and nothing to report is a complete report as well", () => {
  expect(
    aReporter(1, 700)
      .reporter.complete()
      .map(({ apps }) => apps.length),
  ).toEqual([1]);
  expect(aReporter(0, 0).reporter.complete()).toEqual([{ complete: true, apps: [] }]);
});

test("changes that come together are one report, of whole apps; an app whose gates are gone has none", async () => {
  const { reporter, clock, sent } = aReporter(3, 2);
  for (const appId of ["app-1", "app-1", "gone"]) reporter.changed(appId);
  await clock.waitForSleep();
  clock.advance(50);
  await expect.poll(() => sent.length).toBe(1);
  expect(sent[0]?.complete).toBe(false);
  expect(sent[0]?.apps.map(({ appId, gates }) => [appId, gates.length])).toEqual([
    ["app-1", 2],
    ["gone", 0],
  ]);
});
