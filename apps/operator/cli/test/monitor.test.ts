import { systemClock } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";
import { cliAgainstStandIn } from "./support/cli-against.ts";

const { asked, run } = cliAgainstStandIn(new Date());

test("monitor show prints an app and its replicas, and the time that it is of with its zone (MON)", async () => {
  const ran = await run(["monitor", "show", "orders", "--replicas", "-f", "edge", "-e", "test"]);
  expect(ran.exitCode).toBe(0);
  expect(ran.stdout.split("\n").slice(1, 3)).toEqual([
    "orders  0.12/0.12 █  1 MiB   60/60 █  13/13 ms  1/1",
    "  r-1   0.12/0.12 █  1 MiB   60/60 █  13/13 ms  1/1",
  ]);
  expect(ran.stderr).toMatch(/^now\/in the 1 h from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ to .* \S+\n$/);
  expect(asked()).toMatchObject({
    line: "GET /v1/environments/test/apps/orders/metrics",
    query: { fabric: "edge", replicas: "true" },
  });
});

test("--own and --metric ask for what one app tells of itself", async () => {
  const ran = await run(["monitor", "show", "orders", "--metric", "jobs_total"]);
  expect(ran).toMatchObject({ exitCode: 0 });
  expect(ran.stdout).toContain("jobs_total  GET 2xx  +3");
  expect(asked()).toMatchObject({
    line: "GET /v1/environments/production/apps/orders/own-metrics",
    query: { metric: "jobs_total" },
  });
  expect(await run(["monitor", "show", "--own"])).toMatchObject({ exitCode: 2 });
});

test("--since says from when, and a time that is none is a mistake of usage", async () => {
  const clock = { ...systemClock, now: () => new Date("2026-01-08T00:00:00Z") };
  await run(["monitor", "show", "--since", "7d"], { clock });
  expect(asked()).toMatchObject({
    line: "GET /v1/environments/production/metrics",
    query: { from: "2026-01-01T00:00:00.000Z" },
  });
  for (const since of ["7w", "0h", "1000d", "h"])
    expect(await run(["monitor", "show", "--since", since])).toMatchObject({ exitCode: 2 });
});

test("--watch asks again until Ctrl-C, which is no failure; in JSON each answer is a line", async () => {
  const stopping = new AbortController();
  let sleeps = 0;
  const clock = {
    ...systemClock,
    sleep: async () => {
      sleeps += 1;
      if (sleeps < 3) return;
      stopping.abort();
      throw new Error("stopped");
    },
  };
  const ran = await run(["monitor", "show", "--watch", "-o", "json"], { clock, signal: stopping.signal });
  expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
  expect(
    ran.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { items: object[] }).items.length),
  ).toEqual([1, 1, 1]);
});
