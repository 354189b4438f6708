import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startNats, type ManagedNats } from "./start-nats.ts";

let stateDir: string;
let nats: ManagedNats;

beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "drawbridge nats ")); // a space in the path is nothing special
  nats = await startNats({ stateDir, port: 0 });
}, 180_000);
afterAll(async () => {
  await nats.stop();
  await rm(stateDir, { recursive: true });
});

/** What the server answers to a CONNECT with this login. */
async function logIn(user: string, pass: string): Promise<string> {
  const socket = connect(nats.port, "127.0.0.1");
  const answer = Promise.withResolvers<string>();
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString();
    if (text.includes("PONG") || text.includes("-ERR")) answer.resolve(text);
  });
  socket.on("error", answer.reject);
  socket.write(`CONNECT ${JSON.stringify({ user, pass, verbose: false })}\r\nPING\r\n`);
  const result = await answer.promise;
  socket.destroy();
  return result.slice(result.indexOf("\r\n"));
}

test("asks for the login that it keeps in private files", async () => {
  const { user, password } = nats.credentials;
  expect(await logIn(user, password)).toContain("PONG");
  expect(await logIn(user, "wrong")).toContain("Authorization Violation");
  expect(await readFile(nats.credentialsFile, "utf8")).toBe(`${user}:${password}\n`);
  expect(await readFile(join(stateDir, "nats.conf"), "utf8")).not.toContain(password);
  for (const name of ["credentials", "password", "nats.conf", "logins/activation"]) {
    expect((await stat(join(stateDir, name))).mode & 0o777).toBe(0o600);
  }
});

test("starts again on the same state and port after a kill -9", async () => {
  const killed = nats.pid;
  await nats.kill();
  expect(nats.pid).toBeUndefined();
  await nats.start();
  expect(nats.pid).not.toBe(killed);
  expect(await logIn(nats.credentials.user, nats.credentials.password)).toContain("PONG");
});

test("takes over a server whose owner was killed", async () => {
  const next = await startNats({ stateDir, port: nats.port });
  expect(nats.pid).toBeUndefined();
  expect(next.credentials).toEqual(nats.credentials);
  await next.stop();
  await nats.start();
});

test("refuses to start what was given by URL", async () => {
  await expect(
    startNats({ stateDir, port: 0, server: { kind: "url", url: "nats://elsewhere:4222" } }),
  ).rejects.toMatchObject({ code: "LOCAL_NATS_REMOTE" });
});
