import { createHealth } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";

test("is ready when every check is, and names what is missing otherwise", () => {
  const health = createHealth();
  let missing: string | undefined = "not connected since 12:00";
  health.register("database", () => missing);
  health.register("bus", () => undefined);
  expect(health.report()).toEqual({ ready: false, checks: { database: "not connected since 12:00", bus: "ok" } });
  missing = undefined;
  expect(health.report()).toEqual({ ready: true, checks: { database: "ok", bus: "ok" } });
});

test("is not ready from the beginning of the shutdown, whatever the checks say", () => {
  const health = createHealth();
  health.register("database", () => undefined);
  health.beginShutdown();
  expect(health.report()).toMatchObject({ ready: false, checks: { shutdown: "shutting down" } });
});

test("stays ready, and says so, while a check fails that work goes on without", () => {
  const health = createHealth();
  let missing: string | undefined = "away since 12:00";
  health.register("database", () => undefined);
  health.register("bus", () => missing, "degraded");
  expect(health.report()).toEqual({
    ready: true,
    checks: { database: "ok", bus: "away since 12:00" },
    degraded: ["bus"],
  });
  health.register("database", () => "gone");
  expect(health.report()).toMatchObject({ ready: false, degraded: ["bus"] });
  health.register("database", () => undefined);
  missing = undefined;
  expect(health.report()).toEqual({ ready: true, checks: { database: "ok", bus: "ok" } });
});
