import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cliAgainstStandIn } from "./support/cli-against.ts";

const { api, folder, asked, run } = cliAgainstStandIn(new Date("2026-01-01T02:00:00Z"));
const terminal = () => {
  const written = { text: "" };
  return { written, stdout: { isTTY: true, columns: 100, write: (text: string) => void (written.text += text) } };
};
const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder(), name), text);
  return name;
};

test("alert list shows what fires since when, that it is silenced, and who was not told, within a terminal", async () => {
  const { stdout } = await run(["alert", "list"]);
  expect(stdout.split("\n")[1]).toBe(
    "firing, silenced  apis-fail  production   api=orders  0.1235  error-rate above 0.05  2 h ago  on-call (waiting: it answered 500), team",
  );
  expect(asked()).toMatchObject({ line: "GET /v1/alerts", query: { state: "open" } });
  const narrow = terminal();
  await run(["alert", "list"], { stdout: narrow.stdout });
  expect(Math.max(...narrow.written.text.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(100);
});

test("alert history asks for what is over, of one environment if it is named", async () => {
  await run(["alert", "history", "-e", "test", "--limit", "5"]);
  expect(asked()).toMatchObject({ query: { state: "ended", environment: "test", limit: "5" } });
});

test("alert rules shows how each stands, and what is wrong with the operator's file", async () => {
  const answer = (await run(["alert", "rules", "-o", "json"])).stdout;
  const said = { ...(JSON.parse(answer) as object), fileProblem: "rules.0.name: is there twice" };
  api().scripted.set("GET /v1/environments/production/alert-rules", () => said);
  const { stdout, stderr } = await run(["alert", "rules"]);
  expect(stdout).toMatch(/apis-fail +firing \(2\), 1 pending +0\.1235 +error-rate above 0\.05/);
  expect(stdout).toMatch(/memory +no data +- /);
  expect(stderr).toContain("version 3, applied");
  expect(stderr).toContain("is there twice");
});

test.each([
  ["rules: [", "is neither YAML nor JSON"],
  ["rules:\n  - { name: a, metric: { figure: weight }, above: 1 }", "rules.0.metric.figure must be one of"],
  ["rules:\n  - { name: a, metric: { figure: errors } }", "rules.0 must have either above or below"],
  ["rules: []\nreceivers: []", "receivers"],
])("alert check refuses %j with the place, and asks nobody", async (text, message) => {
  const before = api().requests.length;
  const ran = await run(["alert", "check", await file("wrong.yaml", text)]);
  expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) });
  expect(api().requests).toHaveLength(before);
});

test("alert apply sends the rules of a file to its environment, and says what became of them", async () => {
  const rule = "{ name: apis-fail, analytics: { figure: error-rate, by: api }, above: 0.05 }";
  const path = await file("rules.yaml", `environment: test\nrules:\n  - ${rule}\n`);
  const ran = await run(["alert", "apply", "-f", path, "--dry-run", "--base-version", "3"]);
  expect(ran).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("added: apis-fail") });
  const sent = api().requests.findLast(({ line }) => line.startsWith("PUT "));
  expect(sent).toMatchObject({
    line: "PUT /v1/environments/test/alert-rules",
    body: { baseVersion: 3, dryRun: true, rules: [{ name: "apis-fail", windowSeconds: 300, receivers: [] }] },
  });
  const other = await run(["alert", "apply", "-f", path, "-e", "production"]);
  expect(other).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("is test, and production was asked for"),
  });
  const nowhere = await run(["alert", "apply", "-f", await file("bare.yaml", "rules: []")]);
  expect(nowhere).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--environment") });
});

test("what alert export prints can be applied, without rules of the operator's file", async () => {
  const { stdout } = await run(["alert", "export"]);
  expect(stdout).toContain("apis-fail");
  expect(stdout).not.toContain("memory");
  expect(await run(["alert", "check", await file("exported.yaml", stdout)])).toMatchObject({ exitCode: 0 });
});

test("alert silence says how long in minutes, hours or days, and how it is ended", async () => {
  const ran = await run(["alert", "silence", "apis-fail", "--for", "2h", "--reason", "we know"]);
  expect(asked()).toMatchObject({ body: { rule: "apis-fail", durationSeconds: 7_200, reason: "we know" } });
  expect(ran.stderr).toContain("drawbridge alert unsilence s-1 -e production");
  expect(await run(["alert", "silence", "--for", "2y", "--reason", "x"])).toMatchObject({ exitCode: 2 });
});

test("alert test of a receiver that was not told ends with 7 and what came back", async () => {
  const answer = { receiver: "on-call", delivered: false, problem: "it answered 500", tookMs: 42 };
  api().scripted.set("POST /v1/environments/production/alert-receivers/on-call/test", () => answer);
  const ran = await run(["alert", "test", "on-call"]);
  expect(ran).toMatchObject({ exitCode: 7, stderr: expect.stringContaining("it answered 500") });
});
