import { describe, expect, test } from "vitest";
import { cliAgainstStandIn } from "./support/cli-against.ts";

const { api, asked, run: runAny } = cliAgainstStandIn(new Date("2026-11-22T12:00:00Z"));
const run: typeof runAny = (args, parts) => runAny(["analytics", ...args], parts);

test("analytics intake shows gateways, what is missing and why", async () => {
  const ran = await run(["intake"]);
  expect(ran.stdout).toContain("Waiting:     3 batches that are not stored yet");
  expect(ran.stdout).toContain("Visible:     1 s after a request, lately");
  expect(ran.stdout).toMatch(/edge +gateway-0 .* 1,000,000 +500/);
  expect(ran.stdout).toMatch(/500 .* edge\/gateway-0 +the gateway's spool was full while the control plane was away/);
});

describe("analytics dead-letters", () => {
  test("are listed with what was wrong", async () => {
    const ran = await run(["dead-letters", "list"]);
    expect(ran.stdout).toContain("ANALYTICS_BATCH_INVALID: status is too short");
  });

  test("that are offered again are named, or all of them", async () => {
    await run(["dead-letters", "replay", "12", "13"]);
    expect(asked()).toMatchObject({ line: "POST /v1/analytics/dead-letters/replay", body: { ids: ["12", "13"] } });
    await run(["dead-letters", "replay", "--all"]);
    expect(asked()?.body).toEqual({ all: true });
  });

  test("that are given up need a yes", async () => {
    expect(await run(["dead-letters", "delete", "12"])).toMatchObject({ exitCode: 7 });
    const ran = await run(["dead-letters", "delete", "12", "13"], { confirm: () => Promise.resolve("yes") });
    expect(ran).toMatchObject({ exitCode: 0, stderr: "1 dead letters are gone\n" });
    expect(asked()).toMatchObject({ line: "DELETE /v1/analytics/dead-letters", query: { ids: "12,13" } });
  });

  test.each([["replay"], ["replay", "12", "--all"], ["delete", "--yes"], ["delete", "1;2"]])(
    "%s %s %s sends nothing and exits with 2",
    async (...args) => {
      const before = api().requests.length;
      expect(await run(["dead-letters", ...args])).toMatchObject({ exitCode: 2 });
      expect(api().requests).toHaveLength(before);
    },
  );
});
