import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { provisionDatabase } from "./provision-database.ts";
import { startPostgres, type ManagedPostgres } from "./start-postgres.ts";

let stateDir: string;
let postgres: ManagedPostgres;

beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "drawbridge-postgres-")); // 0700: its server's user cannot walk in
  postgres = await startPostgres({ stateDir, port: 0 });
}, 60_000);
afterAll(async () => {
  await postgres.stop();
  await rm(stateDir, { recursive: true });
});

async function query<Row extends object>(url: string, text: string): Promise<readonly Row[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined); // the query rejects too
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

test("listens on loopback only, asks for a SCRAM password, and writes every commit to disk", async () => {
  const settings = await query<{ name: string; setting: string }>(
    postgres.url,
    "SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'fsync', 'synchronous_commit', 'password_encryption', 'unix_socket_directories')",
  );
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    listen_addresses: "127.0.0.1",
    fsync: "on",
    synchronous_commit: "on",
    password_encryption: "scram-sha-256",
    unix_socket_directories: "",
  });
  const wrong = new URL(postgres.url);
  wrong.password = "wrong";
  await expect(query(wrong.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  expect((await stat(join(stateDir, "admin-password"))).mode & 0o777).toBe(0o600);
});

test("keeps what was committed through a kill -9 and a restart on the same port", async () => {
  await query(postgres.url, "CREATE TABLE kept (id int)");
  await query(postgres.url, "INSERT INTO kept VALUES (7)");
  const killed = postgres.pid;
  await postgres.kill();
  expect(postgres.pid).toBeUndefined();
  await expect(query(postgres.url, "SELECT 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await postgres.start();
  expect(postgres.pid).not.toBe(killed);
  expect(await query(postgres.url, "SELECT id FROM kept")).toEqual([{ id: 7 }]);
});

test("starts although another process has the pid that a killed server left in its pid file", async () => {
  await postgres.kill();
  const stranger = spawn("sleep", ["60"]);
  await once(stranger, "spawn");
  const pidFile = join(stateDir, "data", "postmaster.pid");
  const lines = (await readFile(pidFile, "utf8")).split("\n");
  await writeFile(pidFile, [String(stranger.pid), ...lines.slice(1)].join("\n"));
  await postgres.start();
  expect(await query(postgres.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  expect(stranger.exitCode).toBeNull();
  stranger.kill();
});

test("takes over a server whose owner was killed", async () => {
  const next = await startPostgres({ stateDir, port: postgres.port });
  expect(await postgres.exited).toEqual({ code: 0, signal: null });
  expect(await query(next.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await next.stop();
  await postgres.start();
});

test("shows the end of the log when the server cannot start", async () => {
  const broken = await mkdtemp(join(tmpdir(), "drawbridge-postgres-"));
  const first = await startPostgres({ stateDir: broken, port: 0, survives: "process-kill" });
  await first.stop();
  await writeFile(join(broken, "data", "postgresql.conf"), "no_such_setting = 1\n");
  await expect(first.start()).rejects.toMatchObject({
    code: "LOCAL_START_FAILED",
    message: expect.stringContaining("no_such_setting") as string,
  });
  await rm(broken, { recursive: true });
});

test("gives each service a role that may touch its own schema and nothing else", async () => {
  const urls = new Map<string, string>();
  const options = {
    adminUrl: postgres.url,
    services: ["activation", "cert_authority"],
    loadUrl: (service: string) => Promise.resolve(urls.get(service)),
    saveUrl: (service: string, url: string) => Promise.resolve(void urls.set(service, url)),
  };
  await provisionDatabase(options);
  const [activation = "", authority = ""] = ["activation", "cert_authority"].map((name) => urls.get(name));
  await query(activation, "CREATE TABLE token (id int)");
  await query(activation, "INSERT INTO activation.token VALUES (1)");
  for (const refused of [
    "SELECT * FROM activation.token",
    "CREATE TABLE activation.mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE DATABASE mine",
    "CREATE ROLE mine",
    "SET ROLE activation",
    "SELECT rolpassword FROM pg_authid",
  ]) {
    await expect(query(authority, refused), refused).rejects.toMatchObject({ code: "42501" });
  }
});

test("keeps passwords that work, and replaces one that was lost", async () => {
  const urls = new Map<string, string>();
  const saved: string[] = [];
  const options = {
    adminUrl: postgres.url,
    services: ["kept", "lost"],
    loadUrl: (service: string) => Promise.resolve(urls.get(service)),
    saveUrl: (service: string, url: string) => {
      urls.set(service, url);
      saved.push(service);
      return Promise.resolve();
    },
  };
  await provisionDatabase(options);
  const kept = urls.get("kept");
  urls.delete("lost");
  saved.length = 0;
  await provisionDatabase(options);
  expect(saved).toEqual(["lost"]);
  expect(urls.get("kept")).toBe(kept);
  expect(await query(urls.get("lost") ?? "", "SELECT current_schema() AS name")).toEqual([{ name: "lost" }]);
});
