import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLoad } from "./support/constant-load.ts";
import { addressOf, eventually, startTestStack, type TestStack, versionAt } from "./support/running-stack.ts";

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
});

test("an activated fabric runs a deployed app, which answers (ACT 6, MGT 2, MGT 3)", async () => {
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--set", "GREETING=Servus");
  expect(app.status).toMatchObject({ phase: "running", readyReplicas: 1, servingRevision: 1 });
  const body: unknown = await fetch(addressOf(app)).then((response) => response.json());
  expect(body).toMatchObject({ version: "1.0.0", greeting: expect.stringContaining("Servus") });
});

test("the fabric tells what it is (META 1)", async () => {
  const fabric = JSON.parse(await stack.run("fabric", "show", "local", "-o", "json")) as Record<string, unknown>;
  expect(fabric).toMatchObject({
    state: "connected",
    environments: ["production"],
    cluster: { driver: "process", nodes: 1 },
  });
});

test("the fabric's monitoring collector checks in with the certificate that the agent keeps for it (REN 7)", async () => {
  await stack.stack.service("monitoring-collector").waitReady();
});

interface ListedCertificate {
  readonly serialNumber: string;
  readonly kind: string;
  readonly state: string;
}

test("a collector whose certificate is revoked gets another one without anybody's help (REN 5, REN 6)", async () => {
  const collectors = async (): Promise<readonly ListedCertificate[]> =>
    (JSON.parse(await stack.run("cert", "list", "--fabric", "local", "-o", "json")) as ListedCertificate[]).filter(
      ({ kind }) => kind === "collector",
    );
  const [old] = await collectors();
  if (old === undefined) throw new Error("the collector has no certificate");
  await stack.run("cert", "revoke", old.serialNumber, "--reason", "folder copied");
  // Active is what monitoring-ingest has seen used.
  const active = await eventually(async () =>
    (await collectors()).find(({ serialNumber, state }) => serialNumber !== old.serialNumber && state === "active"),
  );
  expect((await collectors()).find(({ serialNumber }) => serialNumber === old.serialNumber)?.state).toBe("revoked");
  await stack.stack.service("monitoring-collector").waitReady();
  expect(active.state).toBe("active");
});

test("an update under load fails no request and ends on the new version (MGT 3)", async () => {
  const address = addressOf(await stack.show("hello"));
  const load = startLoad(address);
  const updated = await stack.deploy(await stack.hello({ version: "2.0.0" }));
  await eventually(async () => ((await versionAt(address)) === "2.0.0" ? true : undefined));
  const report = await load.stop();
  expect(report.failures).toEqual([]);
  expect(report.versions).toEqual(["1.0.0", "2.0.0"]);
  expect(report.answered).toBeGreaterThan(50);
  expect(addressOf(updated)).toBe(address);
});

test("a roll-back under load fails no request and makes a new revision with the old content (MGT 3)", async () => {
  const address = addressOf(await stack.show("hello"));
  const load = startLoad(address);
  await stack.run("app", "rollback", "hello", "--wait");
  const report = await load.stop();
  expect(report.failures).toEqual([]);
  expect(await versionAt(address)).toBe("1.0.0");
  const history = JSON.parse(await stack.run("app", "history", "hello", "-o", "json")) as {
    revision: number;
    cause: string;
  }[];
  expect(history.map(({ revision }) => revision)).toEqual([3, 2, 1]);
  expect(history[0]?.cause).toContain("rollback");
});

test("scaling changes the number of replicas that answer, without a failed request (MGT 3)", async () => {
  const address = addressOf(await stack.show("hello"));
  const load = startLoad(address);
  await stack.run("app", "scale", "hello", "3", "--wait");
  expect((await stack.show("hello")).status?.readyReplicas).toBe(3);
  await stack.run("app", "scale", "hello", "1", "--wait");
  expect((await stack.show("hello")).status?.readyReplicas).toBe(1);
  expect((await load.stop()).failures).toEqual([]);
});

test("a restart under load replaces every replica without a failed request (MGT 3)", async () => {
  const before = await stack.show("hello");
  const load = startLoad(addressOf(before));
  await stack.run("app", "restart", "hello", "--wait");
  expect((await load.stop()).failures).toEqual([]);
  const ids = (app: typeof before): readonly string[] =>
    (app.status?.replicas ?? []).map(({ replicaId, startedAt }) => `${replicaId} ${startedAt}`);
  const after = await stack.show("hello");
  expect(ids(after).filter((id) => ids(before).includes(id))).toEqual([]);
});

test("stop ends the replicas, start brings the app back at the same address (MGT 3)", async () => {
  const address = addressOf(await stack.show("hello"));
  await stack.run("app", "stop", "hello", "--wait");
  expect((await stack.show("hello")).status).toMatchObject({ phase: "stopped", readyReplicas: 0 });
  await expect(versionAt(address)).rejects.toThrow();
  await stack.run("app", "start", "hello", "--wait");
  expect(await versionAt(address)).toBe("1.0.0");
});

test("logs reach the operator where the fabric's owner allows it (MGT 6)", async () => {
  const lines = await stack.run("app", "logs", "hello", "--tail", "5", "-o", "json");
  expect(lines.trim().split("\n").length).toBeGreaterThan(0);
  expect(lines).toContain('"line"');
});

test("secure properties reach the app and appear in no log, file name or argument", async () => {
  const secret = `s3cret-${process.pid}-canary`;
  const file = `${stack.folder}/secrets.env`;
  await writeFile(file, `API_KEY=${secret}\n`, { mode: 0o600 });
  const app = await stack.deploy(await stack.hello({ version: "3.0.0" }), "--secrets-file", file);
  const body = await fetch(addressOf(app)).then((response) => response.text());
  expect(body).not.toContain(secret);
  const found = execFileSync("sh", ["-c", 'grep -rlF -e "$1" "$2" || true', "sh", secret, stack.stack.layout.logs], {
    encoding: "utf8",
  });
  expect(found).toBe("");
});

test("a deleted app is gone from the fabric and from the list (MGT 3)", async () => {
  const address = addressOf(await stack.show("hello"));
  await stack.run("app", "delete", "hello", "--wait");
  await expect(versionAt(address)).rejects.toThrow();
  expect(JSON.parse(await stack.run("app", "list", "-o", "json"))).toEqual([]);
});
