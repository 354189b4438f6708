import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort, programEnvironment, startTestPostgres, tempDir } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { startEnvironment } from "./harness.ts";

const source = (file: string): string => fileURLToPath(new URL(`../src/${file}`, import.meta.url));

function run(file: string, env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [source(file)], {
    env: { ...programEnvironment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => void (output += String(data)));
  return { child, output: () => output, ended: once(child, "close") as Promise<[number | null]> };
}

test("the migrate job makes the schema, the service becomes ready, and SIGTERM ends it with 0", async () => {
  await using environment = await startEnvironment();
  await using dir = await tempDir();
  await using postgres = await startTestPostgres();
  await using database = await postgres.createDatabase({ schema: "activation" });
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(dir.path, name), text, { mode: 0o600 });
    return join(dir.path, name);
  };
  const databaseUrlFile = await file("database-url", database.url);
  for (let time = 1; time <= 2; time += 1) {
    const migration = run("migrate.ts", { DRAWBRIDGE_DATABASE_URL_FILE: databaseUrlFile });
    expect((await migration.ended)[0], migration.output()).toBe(0);
  }

  const ops = `127.0.0.1:${await freePort()}`;
  const service = run("main.ts", {
    DRAWBRIDGE_DATABASE_URL_FILE: databaseUrlFile,
    DRAWBRIDGE_NATS_URL: environment.nats.url,
    DRAWBRIDGE_NATS_CREDENTIALS_FILE: await file("nats", environment.nats.credentials),
    DRAWBRIDGE_IDENTITY_DIR: join(environment.certAuthority.identitiesDir, "activation"),
    DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: environment.certAuthority.address,
    DRAWBRIDGE_JOIN_STATE_KEY_FILE: await file("join-state-key", randomBytes(32).toString("base64url")),
    DRAWBRIDGE_OPS_LISTEN: ops,
    DRAWBRIDGE_FABRIC_LISTEN: "127.0.0.1:0",
    DRAWBRIDGE_INTERNAL_LISTEN: "127.0.0.1:0",
  });
  let ready: Response | undefined;
  while (!ready?.ok && service.child.exitCode === null) {
    ready = await fetch(`http://${ops}/readyz`).catch(() => undefined); // not listening yet
    if (!ready?.ok) await pause(50);
  }
  expect(await ready?.json(), service.output()).toEqual({
    ready: true,
    checks: {
      identity: "ok",
      database: "ok",
      listeners: "ok",
      bus: "ok",
      outbox: "ok",
      revocations: "ok",
      "revocation list age": "ok",
    },
  });
  expect(await (await fetch(`http://${ops}/metrics`)).text()).toContain(
    'drawbridge_activation_connections{listener="fabric"} 0',
  );
  service.child.kill("SIGTERM");
  expect((await service.ended)[0], service.output()).toBe(0);
}, 120_000);

test("a wrong configuration names every mistake and exits 1", async () => {
  const service = run("main.ts", { DRAWBRIDGE_FABRIC_LISTEN: "nowhere", DRAWBRIDGE_NATS_ULR: "nats://127.0.0.1:4222" });
  expect((await service.ended)[0]).toBe(1);
  expect(service.output()).toContain('DRAWBRIDGE_FABRIC_LISTEN: "nowhere" is not host:port');
  expect(service.output()).toContain("DRAWBRIDGE_NATS_ULR: no such setting");
  expect(service.output()).toContain("DRAWBRIDGE_DATABASE_URL_FILE: is not set");
  expect(service.output()).toMatch(/^activation cannot start: the configuration has \d+ problem/);
  expect(service.output()).not.toMatch(/^\s+at |file:\/\//m); // no stack
});
