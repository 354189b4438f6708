import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runMigrations } from "@drawbridge/store";
import { freePort, createTestLogger, startTestNats, startTestPostgres } from "@drawbridge/testkit";
import { systemClock } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";
import { bootstrapEnv, createFiles, migrations } from "./harness.ts";

const directory = join(import.meta.dirname, "..");

function start(program: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [join(directory, program)], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, output }));
  return { child, ended };
}

test("migrate, bootstrap and serve as processes; SIGTERM ends in order (house style 6)", async () => {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startTestPostgres());
  const nats = stack.use(await startTestNats());
  const database = stack.use(await postgres.createDatabase({ schema: "cert_authority" }));
  const files = stack.use(await createFiles({ databaseUrl: database.url, nats }));
  const { DRAWBRIDGE_DATABASE_URL_FILE: databaseUrlFile = "" } = files.env;

  const migrated = await start("src/migrate.ts", { DRAWBRIDGE_DATABASE_URL_FILE: databaseUrlFile }).ended;
  expect(migrated).toMatchObject({ code: 0 });
  const again = {
    url: database.url,
    schema: "cert_authority",
    directory: migrations,
    logger: createTestLogger().logger,
  };
  expect(await runMigrations(again)).toEqual([]);
  expect(await start("src/bootstrap.ts", bootstrapEnv(files)).ended).toMatchObject({ code: 0 });

  const ops = await freePort();
  const env = {
    ...files.env,
    DRAWBRIDGE_NATS_URL: nats.url,
    DRAWBRIDGE_IDENTITY_DIR: join(files.identities, "cert-authority"),
    DRAWBRIDGE_INTERNAL_LISTEN: "127.0.0.1:0",
    DRAWBRIDGE_FABRIC_LISTEN: "127.0.0.1:0",
    DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${ops}`,
  };
  const service = start("src/main.ts", env);
  const deadline = AbortSignal.timeout(240_000);
  const isReady = () =>
    fetch(`http://127.0.0.1:${ops}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) await systemClock.sleep(50, deadline);
  service.child.kill("SIGTERM");
  const { code, output } = await service.ended;
  expect(code).toBe(0);
  expect(output).not.toContain("PRIVATE KEY");
  expect(output).not.toContain(new URL(database.url).password);

  const keys = `${randomBytes(32).toString("base64url")}\n${await readFile(files.path("kek"), "utf8")}`;
  await writeFile(files.path("kek"), keys);
  const { DRAWBRIDGE_IDENTITIES_DIR: _, ...rewrapEnv } = bootstrapEnv(files);
  const rewrapped = await start("src/rewrap.ts", rewrapEnv).ended;
  expect(rewrapped).toMatchObject({ code: 0, output: expect.stringContaining('"rewrapped":2') });
  for (const key of keys.split("\n")) expect(rewrapped.output).not.toContain(key);
});

test("says at the start what is wrong with the configuration, and names no value of a secret", async () => {
  const { code, output } = await start("src/main.ts", { DRAWBRIDGE_TYPING_MISTAKE: "x" }).ended;
  expect(code).not.toBe(0);
  expect(output).toContain("DRAWBRIDGE_TYPING_MISTAKE");
  expect(output).toContain("DRAWBRIDGE_DATABASE_URL_FILE");
});
