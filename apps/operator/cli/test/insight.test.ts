import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { aCapture, anExchangeLine } from "./support/api-answers.ts";
import { cliAgainstStandIn } from "./support/cli-against.ts";

const { api, folder, asked, run: runAny } = cliAgainstStandIn(new Date("2026-01-01T00:01:00Z"));
const run: typeof runAny = (args, parts) => runAny(["insight", ...args], parts);
const production = "/v1/environments/production";

test("start sends what was asked, in the words of the API, and warns of what leaves and of who has to allow it (META 4)", async () => {
  const ran = await run(
    ["start", "orders:v1", "--for", "10m", "--sample", "10%", "--where", "status=5xx,method=POST|PUT"].concat([
      "--reveal",
      "$.order.id",
      "--redact",
      "$.customer,email",
      "--parts",
      "request-body",
      "--limit",
      "50",
    ]),
  );
  expect(asked()).toMatchObject({
    line: `POST ${production}/apis/orders/versions/v1/captures`,
    body: {
      durationSeconds: 600,
      samplePercent: 10,
      where: { statusClasses: ["5xx"], methods: ["POST", "PUT"] },
      parts: ["request-body"],
      reveal: ["$.order.id"],
      redact: ["$.customer", "email"],
      exchangesPerSecond: 10,
      limit: 50,
    },
  });
  expect(ran.exitCode).toBe(0);
  expect(ran.stderr).toContain("capture c-1 of orders:v1@production runs; it ends");
  expect(ran.stderr).toContain("as they came: $.order.id");
  expect(ran.stderr).toContain("warning: ask the owner");
});

test.each([
  ["--for", "2d"],
  ["--for", "25h"],
  ["--sample", "0"],
  ["--where", "cookie=a"],
  ["--limit", "0"],
])("%s %s is refused before anything is asked", async (option, value) => {
  const before = asked();
  expect((await run(["start", "orders:v1", option, value])).exitCode).toBe(2);
  expect(asked()).toBe(before);
});

test("show prints bodies on several lines, and what strangers wrote moves no cursor", async () => {
  const { stdout } = await run(["show", "c-1"]);
  expect(stdout).toContain('    {\n      "order": {\n        "id": 17\n');
  expect(stdout).toContain("1 exchanges, 2.0 KiB; kept for 7 days");
  expect(stdout).toContain("7 (rate)");
  expect(stdout).toContain("x-region: eu\\u{1b}[2J");
  expect(stdout).not.toContain("\u001b");
});

test("show says to a viewer that the contents are for operators, and to everybody when nothing came (META 4)", async () => {
  const taken = { ...aCapture.taken, exchanges: 0, losses: [] };
  api().scripted.set(`GET ${production}/captures/c-1`, () => ({ ...aCapture, taken }));
  api().scripted.set(`GET ${production}/captures/c-1/exchanges`, () => {
    throw new DrawbridgeError({ kind: "permission_denied", code: "PERMISSION_DENIED", message: "no" });
  });
  const ran = await run(["show", "c-1"]);
  expect(ran.exitCode).toBe(0);
  expect(ran.stdout).toContain("DRAWBRIDGE_ALLOW_INSIGHT");
  expect(ran.stderr).toContain("for operators");
});

test("-o json is what the server sent, with what this version does not read (META 4)", async () => {
  const capture = { ...aCapture, later: 1, taken: { ...aCapture.taken, later: 2 } };
  api().scripted.set("GET /v1/captures", () => ({ items: [capture], nextPageToken: "" }));
  api().scripted.set(`GET ${production}/captures/c-1`, () => capture);
  expect(JSON.parse((await run(["list", "-o", "json"])).stdout)).toEqual([capture]);
  expect(JSON.parse((await run(["show", "c-1", "-o", "json"])).stdout)).toEqual(capture);
  expect((await run(["tail", "c-1", "-o", "json"])).stdout).toBe(`${JSON.stringify(anExchangeLine)}\n`);
});

test("export writes each exchange as a line as the server sent it, and replaces no file", async () => {
  expect((await run(["export", "c-1", "--out", "taken.ndjson"])).exitCode).toBe(0);
  const text = await readFile(join(folder(), "taken.ndjson"), "utf8");
  expect(text).toBe(`${JSON.stringify(anExchangeLine)}\n`);
  expect((await run(["export", "c-1", "--out", "taken.ndjson"])).exitCode).not.toBe(0);
});
