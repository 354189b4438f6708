import { Readable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { cliAgainstStandIn } from "./support/cli-against.ts";

const { api, run } = cliAgainstStandIn(new Date("2026-01-01T02:00:00Z"));

test("alert list moves no cursor, whatever an application is called", async () => {
  const { stdout } = await run(["alert", "list", "-o", "json"]);
  const items = (JSON.parse(stdout) as object[]).map((each) =>
    Object.assign(each, { series: "application=\u009b2Ja\u2066" }),
  );
  api().scripted.set("GET /v1/alerts", () => ({ items, nextPageToken: "" }));
  expect((await run(["alert", "list"])).stdout).toContain("  application=\\u{9b}2Ja\\u{2066}  ");
});

test("app logs shows what would move a cursor, keeps tabs, and is exact with -o json", async () => {
  const line = { type: "line", at: null, replicaId: "r-1", stream: "stdout", line: "a\tb\u001b]0;title\u0007" };
  const text = `${JSON.stringify(line)}\n`;
  api().scripted.set("GET /v1/environments/production/apps/hello/logs", () => Readable.from([text]));
  const logs = ["app", "logs", "hello", "-e", "production"];
  expect((await run(logs)).stdout).toBe("-  r-1  a\tb\\u{1b}]0;title\\u{7}\n");
  expect((await run([...logs, "-o", "json"])).stdout).toBe(text);
});

test("an error of the server moves no cursor, and forges no line", async () => {
  api().failWith = new DrawbridgeError({ kind: "unavailable", code: "ANY", message: "away\u001b[2J\nerror: forged" });
  const { stderr } = await run(["alert", "list"]);
  api().failWith = undefined;
  expect(stderr).toBe("error: away\\u{1b}[2J\n  error: forged\n(ANY)\n");
});
