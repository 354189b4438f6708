import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { systemClock } from "@drawbridge/lifecycle";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createContextFile } from "../src/context/context-file.ts";
import { runCli } from "../src/run-cli.ts";
import { type StandInApi, startStandInApi } from "./support/stand-in-api.ts";

let api: StandInApi;
let folder: string;
beforeAll(async () => {
  api = await startStandInApi();
});
afterAll(() => api[Symbol.asyncDispose]());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-apis-"));
});
afterEach(async () => {
  api.failWith = undefined;
  api.requests.length = 0;
  await rm(folder, { recursive: true, force: true });
});

async function run(args: readonly string[], input = ""): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const written = { stdout: "", stderr: "" };
  const contextFile = createContextFile(join(folder, "config"));
  const { url, trustBundle } = api;
  await contextFile.write({
    url,
    trustBundle,
    username: "admin",
    token: "dbt1.a.b",
    expiresAt: "2126-01-01T00:00:00Z",
  });
  const exitCode = await runCli(
    {
      contextFile,
      clock: systemClock,
      stdout: { write: (text) => void (written.stdout += text) },
      stderr: { write: (text) => void (written.stderr += text) },
      askSecret: async () => "typed",
      confirm: async () => "nobody",
      readInput: async () => input,
      workingDirectory: folder,
      signal: new AbortController().signal,
    },
    args,
    "test",
  );
  return { exitCode, ...written };
}

const sent = (line: RegExp) => api.requests.find((request) => line.test(request.line));
const policyPath = "/v1/environments/production/apis/orders/versions/v1/policies/limit";

test("a policy is applied from a YAML file, and options stand over it", async () => {
  await writeFile(
    join(folder, "limit.yaml"),
    'name: limit\ntype: rate-limiting\norder: 2\nconfiguration: { limits: [{ requests: 5, periodMs: 1000 }] }\nconditions: [{ uriTemplate: "/a" }]\n',
  );
  const ran = await run([
    "policy",
    "apply",
    "--api",
    "orders:v1@production",
    "--file",
    "limit.yaml",
    "--disable",
    "--condition",
    "get|post /orders/{id}",
  ]);
  expect(ran).toMatchObject({ exitCode: 0, stdout: "" });
  expect(ran.stderr).toContain('policy "limit" of orders:v1@production is saved as version 2');
  expect(ran.stderr).toContain("warning: condition 2 matches nothing");
  expect(sent(/^PUT/)).toMatchObject({
    line: `PUT ${policyPath}`,
    body: {
      type: "rate-limiting",
      order: 2,
      enabled: false,
      configuration: { limits: [{ requests: 5, periodMs: 1000 }] },
      conditions: [{ methods: "GET|POST", uriTemplate: "/orders/{id}" }],
    },
  });
});

test("a configuration with secrets comes from standard input", async () => {
  const config = JSON.stringify({ clientSecret: "s3cret" });
  await run(
    ["policy", "apply", "introspect", "-e", "production", "--type", "oauth2-introspection", "--config", "-"],
    config,
  );
  expect(sent(/^PUT/)).toMatchObject({
    line: "PUT /v1/environments/production/automated-policies/introspect",
    body: { configuration: { clientSecret: "s3cret" } },
  });
});

test("a file that is no YAML is refused without a word of it", async () => {
  await writeFile(join(folder, "bad.yaml"), "clientSecret: [s3cret");
  const ran = await run(["policy", "apply", "x", "-e", "production", "--type", "t", "--config", "bad.yaml"]);
  expect(ran).toMatchObject({ exitCode: 2 });
  expect(ran.stderr).toContain("POLICY_FILE_INVALID");
  expect(ran.stderr).not.toContain("s3cret");
});

test("a refused policy is told with every field", async () => {
  api.failWith = new DrawbridgeError({
    kind: "invalid_argument",
    code: "POLICY_INVALID",
    message: "configuration.limits[0].requests: must be at least 1",
    details: { "field:configuration.limits[0].requests": "must be at least 1", "field:name": "is too long" },
  });
  const ran = await run(["policy", "apply", "limit", "--api", "orders:v1", "--type", "rate-limiting"]);
  expect(ran.exitCode).toBe(2);
  expect(ran.stderr).toContain("configuration.limits[0].requests");
  expect(ran.stderr).toContain("is too long");
});

test("a policy of nothing is refused before anything is sent", async () => {
  const ran = await run(["policy", "list"]);
  expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("POLICY_OWNER_UNKNOWN") as string });
  expect(api.requests).toEqual([]);
});

test("a client's secret goes into a file that only its owner can read, and is shown nowhere else", async () => {
  const ran = await run(["client", "create", "shop", "--out", "secret"]);
  expect(ran.exitCode).toBe(0);
  expect(ran.stdout + ran.stderr).not.toContain("s3cret-once");
  expect(await readFile(join(folder, "secret"), "utf8")).toBe("s3cret-once\n");
  expect((await stat(join(folder, "secret"))).mode & 0o777).toBe(0o600);
});

test("without a file it is printed once", async () => {
  const ran = await run(["client", "rotate", "shop", "--overlap", "60"]);
  expect(ran.stdout).toContain("s3cret-once");
  expect(sent(/rotate$/)?.body).toEqual({ overlapSeconds: 60 });
});

test("the end of a client asks first", async () => {
  expect(await run(["client", "revoke", "shop"])).toMatchObject({ exitCode: 7 });
  expect(sent(/^DELETE/)).toBeUndefined();
});

test("limits of a tier are requests per time", async () => {
  await run(["tier", "create", "orders:v1", "gold", "--limit", "5/s", "--limit", "1000/1h", "--approve", "automatic"]);
  expect(sent(/^PUT/)?.body).toEqual({
    limits: [
      { requests: 5, periodMs: 1_000 },
      { requests: 1_000, periodMs: 3_600_000 },
    ],
    autoApprove: true,
  });
  expect(await run(["tier", "create", "orders:v1", "gold", "--limit", "5 per second"])).toMatchObject({ exitCode: 2 });
});

test("a preview shows what each resource is matched by, and what matches nothing (GK 8)", async () => {
  const ran = await run([
    "api",
    "preview",
    "orders:v1",
    "--condition",
    "GET /orders/{id}",
    "--condition-regex",
    "* /nothing",
  ]);
  expect(ran.stdout).toMatch(/GET \/orders\/\{id\} +1 +\/orders\/1/);
  expect(ran.stdout).toMatch(/POST \/orders +nothing/);
  expect(ran.stderr).toContain("condition 2 (* ~ /nothing) matches nothing");
  expect(sent(/preview$/)?.body).toEqual({
    conditions: [
      { methods: "GET", uriTemplate: "/orders/{id}" },
      { methods: "*", regularExpression: "/nothing" },
    ],
  });
});

test.each(["orders", "orders:", ":v1", "orders:v1@"])("%s is no API", async (text) => {
  expect(await run(["api", "show", text])).toMatchObject({ exitCode: 2 });
});
