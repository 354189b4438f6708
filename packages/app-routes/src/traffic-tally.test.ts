import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { expect, onTestFinished, test } from "vitest";
import { readTraffic, trafficPath } from "./traffic-file.ts";
import { openTrafficTally } from "./traffic-tally.ts";

function aPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "drawbridge-traffic-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return trafficPath(directory);
}

const one = { appId: "app", replicaId: "r-0", requests: 1, errors: 0, durationMs: 4 };

test("says that it counts before the first request, and adds up by replica (MON)", () => {
  const path = aPath();
  const tally = openTrafficTally({ path, clock: systemClock });
  expect(readTraffic(path)?.replicas).toEqual([]);
  tally.add(one);
  tally.add({ ...one, errors: 1 });
  tally.add({ ...one, replicaId: "r-1" });
  tally.flush();
  expect(readTraffic(path)?.replicas).toEqual([
    { ...one, requests: 2, errors: 1, durationMs: 8 },
    { ...one, replicaId: "r-1" },
  ]);
});

test("goes on where the process before it ended, so that its readers see no counter go back (MON)", () => {
  const path = aPath();
  const first = openTrafficTally({ path, clock: systemClock });
  first.add(one);
  first.flush();
  const since = readTraffic(path)?.since;
  const second = openTrafficTally({ path, clock: systemClock });
  second.add(one);
  second.flush();
  expect(readTraffic(path)).toEqual({ since, replicas: [{ ...one, requests: 2, durationMs: 8 }] });
});

test("begins anew where the file makes no sense", () => {
  const path = aPath();
  writeFileSync(path, '{"since":"2026-');
  const tally = openTrafficTally({ path, clock: systemClock });
  tally.add(one);
  tally.flush();
  expect(readTraffic(path)?.replicas).toEqual([one]);
});
