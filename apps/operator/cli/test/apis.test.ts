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

test("a file of several policies is checked as a whole before one of them is saved", async () => {
  const yaml = ["ids", "limit"].map((name) => `name: ${name}\ntype: rate-limiting\nconfiguration: { a: 1 }\n`);
  await writeFile(join(folder, "policies.yaml"), yaml.join("---\n"));
  const apply = ["policy", "apply", "--api", "orders:v1@production", "--file", "policies.yaml"];
  expect(await run(apply)).toMatchObject({ exitCode: 0 });
  const puts = api.requests.filter(({ line }) => line.startsWith("PUT"));
  const names = puts.map(({ line, body }) => [line.split("/").at(-1), (body as { dryRun?: boolean }).dryRun === true]);
  expect(names).toEqual([
    ["ids", true],
    ["limit", true],
    ["ids", false],
    ["limit", false],
  ]);
  api.failWith = new DrawbridgeError({ kind: "invalid_argument", code: "POLICY_INVALID", message: "not valid" });
  expect((await run(apply)).stderr).toContain('policy "ids": not valid; nothing is saved');
  api.failWith = undefined;
  expect(await run([...apply, "--type", "quota"])).toMatchObject({ exitCode: 2 });
  await writeFile(join(folder, "policies.yaml"), [yaml[0], yaml[0]].join("---\n"));
  expect(await run(apply)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("has a name twice") });
});

test("a policy is disabled as it is, on the version that was read", async () => {
  const ran = await run(["policy", "disable", "limit", "--api", "orders:v1"]);
  expect(ran).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("is disabled") });
  expect(sent(/^PUT/)).toMatchObject({
    line: `PUT ${policyPath}`,
    body: { type: "rate-limiting", enabled: false, baseVersion: expect.any(Number), configuration: { limits: [] } },
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

test("a gate is explained: state, since when, level and where from, what is broken and what to do (GK 8)", async () => {
  const { stdout, exitCode } = await run(["gate", "explain", "orders"]);
  expect(exitCode).toBe(0);
  for (const said of [
    "0 of 1 open",
    "orders v1 at /api",
    "policy_error (blocked) since 2026-01-01",
    "strict, from environment",
    "revision 3 is enforced: 2 policies, 1 contracts; revision 4 should be",
    'the policy "limits" cannot be applied: period is missing',
    "correct or remove the policy that is named",
  ]) {
    expect(stdout).toContain(said);
  }
  expect((await run(["gate", "list", "--app", "orders"])).stdout).toContain("policy_error (blocked)");
  expect(api.requests.at(-1)?.query).toMatchObject({ app: "orders" });
});

test("levels that are set are shown: all of them, of an environment, of a fabric, of a gate with where it is from (GK 7)", async () => {
  const shown = (args: readonly string[]) => run(args).then(({ stdout }) => stdout.replaceAll(/ +/g, " "));
  const levels = await shown(["gate", "levels"]);
  expect(levels).toContain("environment production strict");
  expect(levels).toContain("fabric edge flexible");
  expect(await shown(["environment", "list"])).toContain("production strict");
  expect(await shown(["environment", "show", "production"])).toContain("Gatekeeper: strict");
  expect(JSON.parse((await run(["environment", "show", "production", "-o", "json"])).stdout)).toMatchObject({
    gatekeeper: "strict",
  });
  expect(await run(["environment", "show", "nowhere"])).toMatchObject({
    exitCode: 6,
    stderr: expect.stringContaining("ENVIRONMENT_NOT_FOUND"),
  });
  expect(await shown(["fabric", "show", "edge"])).toContain("Gatekeeper: flexible");
  expect(await shown(["gate", "list"])).toContain("strict (environment)");
});

test("an API without policies in force is warned of, in words and in JSON: when it is made, shown and listed (GK 1)", async () => {
  const made = await run(["api", "create", "orders:v1"]);
  expect(made.stderr).toContain("warning: open: no policies");
  const json = await run(["api", "create", "orders:v1", "-o", "json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ warnings: ["open: no policies are in force"], policiesInForce: 0 });
  expect((await run(["api", "show", "orders:v1"])).stdout).toContain("open: no policies");
  expect((await run(["api", "list"])).stdout).toContain("0, open");
});

test.each(["orders", "orders:", ":v1", "orders:v1@"])("%s is no API", async (text) => {
  expect(await run(["api", "show", text])).toMatchObject({ exitCode: 2 });
});

test("an API is observed with words of its own, its routes are listed, and a preview says where they come from (GK 8)", async () => {
  const set = await run(["api", "set", "orders:v1", "--observe-routes", "on", "--route-words", "dunning, claimant"]);
  expect(set.exitCode).toBe(0);
  expect(sent(/^PATCH .*\/apis\/orders\/versions\/v1$/)?.body).toEqual({
    observeRoutes: true,
    routeWords: ["dunning", "claimant"],
  });
  expect((await run(["api", "set", "orders:v1", "--observe-routes", "maybe"])).exitCode).not.toBe(0);
  expect(await run(["api", "set", "orders:v1"])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("nothing to set"),
  });
  expect((await run(["api", "routes", "orders:v1"])).stdout).toMatch(/GET \/orders\/\{p2\} .* 2026-01-01/);
  expect(JSON.parse((await run(["api", "routes", "orders:v1", "-o", "json"])).stdout)).toMatchObject({
    observed: true,
    routes: [{ method: "GET", path: "/orders/{p2}" }],
  });
  const preview = await run(["api", "preview", "orders:v1", "--condition", "GET /orders/{id}"]);
  expect(`${preview.stdout}${preview.stderr}`).toContain("resources: ");
});

test("settings of an environment are set by what is named, and a warning is told (ANA 3)", async () => {
  const to = ["--client-address", "hashed", "--user-agent", "off", "--route-words", "dunning,claimant"];
  const ran = await run(["analytics", "settings", "set", "--environment", "production", ...to]);
  expect(ran).toMatchObject({ exitCode: 0, stdout: "" });
  expect(ran.stderr).toContain("requests of 3 API(s) are told, 1 API(s) say no");
  expect(ran.stderr).toContain("warning: no geography is told");
  expect(sent(/^PUT/)).toMatchObject({
    line: "PUT /v1/environments/production/analytics/settings",
    body: { clientAddress: "hashed", userAgent: false, routeWords: ["dunning", "claimant"] },
  });
  const shown = await run(["analytics", "settings", "show", "-e", "production"]);
  expect(shown.stdout).toContain("never: these are the defaults");
});

test.each([
  [["analytics", "settings", "set"], "nothing to set"],
  [["analytics", "settings", "set", "--client-address", "more"], "Allowed choices are none, hashed, truncated, full"],
  [["api", "set", "orders:v1", "--analytics", "full"], "Allowed choices are inherit, off"],
])("%j asks nothing of the control plane", async (args, reason) => {
  const ran = await run(args);
  expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(reason) });
  expect(api.requests).toEqual([]);
});

test("an API says that it is not told, whatever its environment allows (ANA 3)", async () => {
  const ran = await run(["api", "set", "orders:v1", "--analytics", "off"]);
  expect(ran).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("its requests are not told") });
  expect(sent(/^PATCH/)).toMatchObject({ body: { analytics: "off" } });
  await run(["api", "create", "orders:v1", "--analytics", "off"]);
  expect(sent(/^POST/)).toMatchObject({ body: { analytics: "off" } });
});
