import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { systemClock } from "@drawbridge/lifecycle";
import type { Command } from "commander";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CommandWorld } from "../src/command-context.ts";
import { createContextFile } from "../src/context/context-file.ts";
import { createProgram } from "../src/program.ts";
import { runCli } from "../src/run-cli.ts";
import { anAuthority, type StandInApi, startStandInApi } from "./support/stand-in-api.ts";
import { callsOfVerbs as calls } from "./support/calls-of-verbs.ts";

let api: StandInApi;
let folder: string;
beforeAll(async () => {
  api = await startStandInApi();
});
afterAll(() => api[Symbol.asyncDispose]());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-verbs-"));
  await mkdir(join(folder, "app"));
  await writeFile(
    join(folder, "app/drawbridge.yaml"),
    'apiVersion: drawbridge/v1\nname: orders\nversion: "1.0.0"\nruntime: { command: [node, server.js] }\n',
  );
  await writeFile(join(folder, "trust-bundle.json"), api.trustBundle);
  await writeFile(join(folder, "secret"), "a long password\n");
  await mkdir(join(folder, "empty"));
  await writeFile(
    join(folder, "rules.yaml"),
    "environment: production\nrules:\n  - { name: apis-fail, analytics: { figure: error-rate }, above: 0.05 }\n",
  );
});
afterEach(async () => {
  api.failWith = undefined;
  api.failNextUpload = undefined;
  api.failDeployWith = undefined;
  api.phase = "running";
  api.authorities.splice(0, api.authorities.length, anAuthority());
  api.requests.length = 0;
  await rm(folder, { recursive: true, force: true });
});

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], answers: string[] = []): Promise<Ran> {
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
  const world: CommandWorld = {
    contextFile,
    clock: systemClock,
    stdout: { write: (text) => void (written.stdout += text) },
    stderr: { write: (text) => void (written.stderr += text) },
    askSecret: async () => answers.shift() ?? "typed",
    confirm: async () => "nobody",
    readInput: async () => "from standard input\n",
    workingDirectory: folder,
    signal: new AbortController().signal,
  };
  return { exitCode: await runCli(world, args, "test"), ...written };
}

/** They ask no control plane, or tell of its failure in their own list. */
const local = new Set(["alert check", "bundle init", "bundle build", "bundle inspect", "doctor"]);
/** Prints a script for a shell, which is no data. */
const withoutData = "completion";

function verbsOf(command: Command, path = ""): readonly { readonly verb: string; readonly command: Command }[] {
  if (command.commands.length === 0) return [{ verb: path, command }];
  return command.commands.flatMap((child) => verbsOf(child, path === "" ? child.name() : `${path} ${child.name()}`));
}

function argsOf(verb: string): readonly string[] {
  return [...verb.split(" "), ...(calls[verb] ?? []).map((arg) => arg.replace("{url}", api.url)), "-o", "json"];
}

describe("every verb", () => {
  test("is known to this test, and has -o", () => {
    const world = { stdout: process.stdout, stderr: process.stderr } as unknown as CommandWorld; // nothing is run
    const verbs = verbsOf(createProgram(world, { version: "test", format: "table" }));
    const names = verbs.map(({ verb }) => verb).filter((verb) => verb !== withoutData);
    expect(names.toSorted()).toEqual(Object.keys(calls).toSorted());
    const without = verbs.filter(({ command }) => !command.options.some(({ long }) => long === "--output"));
    expect(without.map(({ verb }) => verb)).toEqual([withoutData]);
  });

  test.each(Object.keys(calls))("%s answers with JSON and nothing else", async (verb) => {
    if (verb === "ca advance") api.authorities.splice(0, 1, anAuthority({ phase: "init" }));
    if (verb === "bundle inspect") await run(["bundle", "build", "app", "--out", "built.tgz"]);
    const ran = await run(argsOf(verb));
    expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(ran.stdout)).toBeTypeOf("object");
  });

  test.each(Object.keys(calls).filter((verb) => !local.has(verb)))(
    "%s tells of an error as one line of JSON on standard error",
    async (verb) => {
      api.failWith = new DrawbridgeError({
        kind: "failed_precondition",
        code: "SOME_CONFLICT",
        message: "it is not so",
        details: { "field:replicas": "is wrong", limit: "7" },
        retryAfterMs: 1_500,
      });
      const ran = await run(argsOf(verb));
      expect(ran).toMatchObject({ exitCode: 7, stdout: "" });
      expect(JSON.parse(ran.stderr)).toEqual({
        code: "SOME_CONFLICT",
        kind: "failed_precondition",
        message: "it is not so",
        field: "replicas",
        errors: [{ field: "replicas", message: "is wrong" }],
        details: { limit: "7" },
        retryAfterMs: 1_500,
      });
    },
  );

  test.each(Object.keys(calls))("%s tells of a wrong option as JSON too", async (verb) => {
    const ran = await run([...argsOf(verb), "--no-such-option"]);
    expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
    expect(JSON.parse(ran.stderr)).toMatchObject({ code: "COMMAND_LINE_INVALID", kind: "invalid_argument" });
  });
});

test("a local mistake is JSON too", async () => {
  const ran = await run(["bundle", "build", "empty", "-o", "json"]);
  expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
  expect(JSON.parse(ran.stderr)).toMatchObject({ code: "BUNDLE_MANIFEST_MISSING" });
});

test("fabric set sends what is named, null for what goes back to the default, and asks for something to set", async () => {
  await run(["fabric", "set", "edge", "--clock-skew-warn", "90", "--clock-skew-fail", "default"]);
  const sent = api.requests.find(({ line }) => line === "PATCH /v1/fabrics/edge");
  expect(sent?.body).toEqual({ clockSkewWarnSeconds: 90, clockSkewFailSeconds: null });
  const [nothing, zero] = [
    await run(["fabric", "set", "edge"]),
    await run(["fabric", "set", "edge", "--clock-skew-warn", "0"]),
  ];
  expect([nothing.exitCode, zero.exitCode]).toEqual([2, 2]);
});

describe("fabric token create", () => {
  const bodyOf = () => api.requests.find(({ line }) => line === "POST /v1/fabric-tokens")?.body;

  test("sends no environments unless they are given, and says what a new fabric runs then", async () => {
    const ran = await run(["fabric", "token", "create", "edge"]);
    expect(bodyOf()).toEqual({ fabric: "edge" });
    expect(ran.stderr).toContain("fabric edge is new and runs production, because no --environment was given");
  });

  test("sends those that are given", async () => {
    const ran = await run(["fabric", "token", "create", "edge", "-e", "sandbox", "production"]);
    expect(bodyOf()).toEqual({ fabric: "edge", environments: ["sandbox", "production"] });
    expect(ran.stderr).not.toContain("because");
  });

  test("sends the key that it is for", async () => {
    await run(["fabric", "token", "create", "edge", "--key", "AB".repeat(32)]);
    expect(bodyOf()).toEqual({ fabric: "edge", keySha256: "ab".repeat(32) });
  });

  test("says that somebody has to approve the agent", async () => {
    await run(["fabric", "token", "create", "edge", "--require-approval"]);
    expect(bodyOf()).toEqual({ fabric: "edge", requiresApproval: true });
  });

  test("sends the networks that it is for", async () => {
    await run(["fabric", "token", "create", "edge", "--from", "10.0.0.0/8, 2001:db8::/32", "--from", "192.0.2.7"]);
    expect(bodyOf()).toEqual({ fabric: "edge", allowedNetworks: ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"] });
  });
});

describe("an agent that waits for approval", () => {
  test("is shown with its key, its address and who may not approve it", async () => {
    const ran = await run(["fabric", "token", "show", "t-1"]);
    expect(ran.stdout).toContain(`key ${"ab".repeat(32)} from 192.0.2.7`);
    expect(ran.stderr).toContain("somebody else than ann");
  });

  test("is approved by its key, never without", async () => {
    expect(await run(["fabric", "token", "approve", "t-1"])).toMatchObject({ exitCode: 2 });
    const ran = await run(["fabric", "token", "approve", "t-1", "--key", "AB".repeat(32)]);
    expect(ran.stderr).toContain(`the agent with the key ${"ab".repeat(32)} may use token t-1`);
    const { body } = api.requests.find(({ line }) => line === "POST /v1/fabric-tokens/t-1/approve") ?? {};
    expect(body).toEqual({ keySha256: "ab".repeat(32) });
  });
});

describe("app rollback", () => {
  const bodyOf = () => api.requests.find(({ line }) => line.endsWith("/rollback"))?.body;

  test("leaves the choice to the control plane unless --to is given", async () => {
    await run(["app", "rollback", "orders"]);
    expect(bodyOf()).toEqual({});
    api.requests.length = 0;
    await run(["app", "rollback", "orders", "--to", "3"]);
    expect(bodyOf()).toEqual({ toRevision: 3 });
  });

  test("shows which revisions there are when none ever served, and exits with 7", async () => {
    const message = "none ever served: 2 (version 1.0.1, never served). Name the one that you want: --to <revision>";
    api.failWith = new DrawbridgeError({ kind: "failed_precondition", code: "NO_SERVED_REVISION", message });
    const ran = await run(["app", "rollback", "orders"]);
    expect(ran).toMatchObject({ exitCode: 7, stderr: `error: ${message}\n(NO_SERVED_REVISION)\n` });
  });

  test("is preceded by a history that tells which served", async () => {
    const ran = await run(["app", "history", "orders"]);
    expect(ran.stdout).toMatch(/SERVED[^]*yes/);
  });
});

describe("user password", () => {
  const sent = () => api.requests.find(({ line }) => line.endsWith("/password"));

  test("asks for the present one and twice for the new one, and ends this machine's login", async () => {
    const ran = await run(["user", "password"], ["old", "new one", "new one"]);
    expect(ran.exitCode).toBe(0);
    expect(sent()).toMatchObject({
      line: "PUT /v1/users/admin/password",
      body: { currentPassword: "old", newPassword: "new one" },
    });
    expect(await createContextFile(join(folder, "config")).read()).toBeUndefined();
  });

  test("of somebody else needs no present one and leaves this login", async () => {
    await run(["user", "password", "ann", "--password-file", "-"]);
    expect(sent()).toMatchObject({ line: "PUT /v1/users/ann/password", body: { newPassword: "from standard input" } });
    expect(await createContextFile(join(folder, "config")).read()).toMatchObject({ username: "admin" });
  });

  test("typed in two ways changes nothing", async () => {
    const ran = await run(["user", "password"], ["old", "new one", "new oen"]);
    expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("PASSWORDS_DIFFER") as string });
    expect(sent()).toBeUndefined();
  });

  test("does not take both from standard input", async () => {
    const ran = await run(["user", "password", "--password-file", "-", "--current-password-file", "-"]);
    expect(ran.stderr).toContain("STANDARD_INPUT_TWICE");
  });
});

describe("app deploy", () => {
  test("sends a bundle once, and tells its progress once", async () => {
    const ran = await run(["app", "deploy", "app"]);
    expect(api.requests.filter(({ line }) => line.startsWith("PATCH "))).toHaveLength(1);
    expect(ran.stderr.match(/uploading 100 %/g)).toHaveLength(1);
  });

  test("says why an upload is sent again, and does not count from 0 a second time", async () => {
    api.failNextUpload = new DrawbridgeError({ kind: "unavailable", code: "PEER_UNAVAILABLE", message: "it is away" });
    const ran = await run(["app", "deploy", "app"]);
    expect(ran.exitCode).toBe(0);
    expect(ran.stderr.match(/uploading 0 %/g)).toHaveLength(1);
    expect(ran.stderr.match(/uploading 100 %/g)).toHaveLength(1);
    expect(ran.stderr).toContain("the upload broke off, going on where it ended: it is away");
  });

  test("that failed in the fabric says once what goes on serving, and where to look", async () => {
    api.phase = "failed";
    const ran = await run(["app", "deploy", "app", "--wait"]);
    expect(ran.exitCode).toBe(8);
    expect(ran.stderr.match(/goes on serving/gi)).toHaveLength(1);
    expect(ran.stderr).toContain("drawbridge app logs orders -e production");
  });

  test("whose properties are refused names the options that give them", async () => {
    api.failDeployWith = new DrawbridgeError({
      kind: "invalid_argument",
      code: "CONFIGURATION_INVALID",
      message: "KEY is a secret",
    });
    const ran = await run(["app", "update", "orders", "--set", "KEY=x"]);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toContain("--secrets-file");
  });
});

test("a gatekeeper level is set for an app, an environment and a fabric, and taken away by name (GK 7)", async () => {
  await run(["app", "deploy", "app", "--gatekeeper", "strict"]);
  await run(["environment", "set", "test", "--gatekeeper", "flexible"]);
  await run(["fabric", "set", "edge", "--gatekeeper", "default"]);
  expect(api.requests.filter(({ line }) => line.startsWith("PUT "))).toMatchObject([
    { line: "PUT /v1/environments/production/apps/orders", body: { gatekeeper: "strict" } },
    { line: "PUT /v1/environments/test/gatekeeper", body: { level: "flexible" } },
    { line: "PUT /v1/fabrics/edge/gatekeeper", body: { level: null } },
  ]);
  expect(await run(["environment", "set", "test", "--gatekeeper", "lenient"])).toMatchObject({ exitCode: 2 });
});

test("hosts are given with one path, taken away by name, and never one without the other", async () => {
  await run(["app", "deploy", "app", "--host", "api.example.com", "--host", "*.example.com", "--path", "/orders"]);
  await run(["app", "update", "orders", "--no-hosts"]);
  const routes = ["api.example.com", "*.example.com"].map((host) => ({ host, path: "/orders" }));
  const sent = api.requests.filter(({ line }) => line.startsWith("PUT ")).map(({ body }) => body);
  expect(sent).toMatchObject([{ routes }, { routes: [] }]);
  for (const wrong of [["--path=/"], ["--no-hosts", "--host=a.example"]]) {
    expect(await run(["app", "update", "orders", ...wrong])).toMatchObject({ exitCode: 2 });
  }
});
