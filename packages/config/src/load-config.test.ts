import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import {
  configTable,
  describeConfig,
  hostPort,
  listenAddress,
  loadConfig,
  Secret,
  secretFile,
  serviceFields,
} from "@drawbridge/config";
import { DrawbridgeError } from "@drawbridge/errors";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";

const schema = z.object({
  LISTEN: listenAddress().prefault("127.0.0.1:7410").meta({ description: "where to listen" }),
  PEER: hostPort().meta({ description: "the other one" }),
  TTL_SECONDS: z.coerce.number().int().min(60).default(3_600).meta({ description: "life | of it" }),
  KEY_FILE: secretFile().optional().meta({ description: "a secret" }),
});

function problemsOf(env: Readonly<Record<string, string>>): string {
  try {
    loadConfig({ schema, env });
  } catch (error) {
    if (error instanceof DrawbridgeError && error.code === "CONFIG_INVALID") return error.message;
    throw error;
  }
  throw new Error("the configuration was expected to be refused");
}

async function fileWith(text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "drawbridge-config-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const path = join(dir, "secret");
  await writeFile(path, text);
  return path;
}

test("reads what has our prefix, takes defaults, and leaves the rest of the environment alone", () => {
  const env = { DRAWBRIDGE_PEER: "ca.internal:7560", HOME: "/root", PEER: "x" };
  expect(loadConfig({ schema, env })).toEqual({
    LISTEN: { host: "127.0.0.1", port: 7410 },
    PEER: "ca.internal:7560",
    TTL_SECONDS: 3_600,
  });
});

test("names every problem at once, with the name of its variable", () => {
  const problems = problemsOf({ DRAWBRIDGE_LISTEN: "nowhere", DRAWBRIDGE_TTL_SECONDS: "5", DRAWBRIDGE_PER: "a:1" });
  expect(problems).toContain("the configuration has 4 problem(s)");
  expect(problems).toContain('DRAWBRIDGE_LISTEN: "nowhere" is not host:port');
  expect(problems).toContain("DRAWBRIDGE_TTL_SECONDS: ");
  expect(problems).toContain("DRAWBRIDGE_PEER: is not set");
  expect(problems).toContain("DRAWBRIDGE_PER: no such setting; known are DRAWBRIDGE_LISTEN");
});

test("leaves alone what belongs to another program, and only that", () => {
  const load = (env: Readonly<Record<string, string>>) =>
    loadConfig({ schema, env: { DRAWBRIDGE_PEER: "a:1", ...env }, foreign: ["CONFIG_DIR", "PEER"] });
  expect(load({ DRAWBRIDGE_CONFIG_DIR: "/x" })).toEqual(load({}));
  expect(load({}).PEER).toBe("a:1");
  expect(() => load({ DRAWBRIDGE_CONFIG_DIRS: "/x" })).toThrow("DRAWBRIDGE_CONFIG_DIRS: no such setting");
});

test.each(["localhost", "localhost:", ":7410", "a b:1", "host:65536", "host:-1", "[::1]"])(
  "%s is no address",
  (text) => {
    expect(problemsOf({ DRAWBRIDGE_PEER: "a:1", DRAWBRIDGE_LISTEN: text })).toContain("DRAWBRIDGE_LISTEN");
  },
);

test("an IPv6 address is read without its brackets", () => {
  const config = loadConfig({ schema, env: { DRAWBRIDGE_PEER: "[::1]:7560", DRAWBRIDGE_LISTEN: "[::1]:0" } });
  expect(config.LISTEN).toEqual({ host: "::1", port: 0 });
});

test("a secret is read from its file without the last line end", async () => {
  const env = { DRAWBRIDGE_PEER: "a:1", DRAWBRIDGE_KEY_FILE: await fileWith("hunter2\n") };
  expect(loadConfig({ schema, env }).KEY_FILE?.reveal()).toBe("hunter2");
});

test("a secret file that is missing or empty is named, and its content is not", async () => {
  expect(problemsOf({ DRAWBRIDGE_PEER: "a:1", DRAWBRIDGE_KEY_FILE: "/nowhere/key" })).toContain(
    "cannot read the file /nowhere/key (ENOENT)",
  );
  const empty = await fileWith("\n");
  expect(problemsOf({ DRAWBRIDGE_PEER: "a:1", DRAWBRIDGE_KEY_FILE: empty })).toContain("is empty");
});

test("a secret prints as [redacted] however it is printed", () => {
  const secret = new Secret("hunter2");
  expect(
    `${String(secret)} ${JSON.stringify({ secret })} ${inspect(secret)} ${inspect({ deep: { secret } })}`,
  ).not.toContain("hunter2");
  expect(Object.keys(secret)).toEqual([]);
  expect(secret.reveal()).toBe("hunter2");
});

test("the table for a README has every variable with its default and meaning", () => {
  expect(describeConfig(schema)[3]).toEqual({ name: "DRAWBRIDGE_KEY_FILE", default: "none", description: "a secret" });
  expect(configTable(schema).split("\n")).toEqual([
    "| variable                 | default        | meaning         |",
    "| ------------------------ | -------------- | --------------- |",
    "| `DRAWBRIDGE_LISTEN`      | 127.0.0.1:7410 | where to listen |",
    "| `DRAWBRIDGE_PEER`        | required       | the other one   |",
    "| `DRAWBRIDGE_TTL_SECONDS` | 3600           | life \\| of it   |",
    "| `DRAWBRIDGE_KEY_FILE`    | none           | a secret        |",
  ]);
});

test("every setting that services share has a description", () => {
  const rows = describeConfig(z.object(serviceFields({ service: "activation", opsPort: 7610 })));
  expect(rows.filter(({ description }) => description === "")).toEqual([]);
});
