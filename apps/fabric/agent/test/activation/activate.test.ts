import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createTestCa, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import type { ActivationStep } from "../../src/activation/activate.ts";
import { runAgentCommand } from "../support/run-command.ts";
import { startScriptedActivation } from "../support/scripted-activation.ts";
import { agentId, fabricId } from "../support/test-fabric.ts";

let ca: TestCa;

beforeAll(async () => {
  ca = await createTestCa();
});

async function openMachine() {
  const folder = await tempDir();
  const stateDir = join(folder.path, "agent");
  const tokenFile = join(folder.path, "token.txt");
  return {
    stateDir,
    tokenFile,
    activate: (...args: string[]) =>
      runAgentCommand([
        "activate",
        "--state-dir",
        stateDir,
        "--token-file",
        tokenFile,
        "--timeout-seconds",
        "5",
        ...args,
      ]),
    read: (path: string) => readFile(join(stateDir, path), "utf8"),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

test("turns a token into an identity with files that are private, and shreds the token (ACT 3, ACT 4, R19)", async () => {
  await using activation = await startScriptedActivation(ca);
  await using machine = await openMachine();
  const token = activation.makeToken();
  await writeFile(machine.tokenFile, `${token}\n`);
  const result = await machine.activate();
  expect(result).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining(`Fabric berlin (${fabricId}) is activated`),
  });
  expect(existsSync(machine.tokenFile)).toBe(false);
  expect(JSON.parse(await machine.read("identity/current/meta.json"))).toMatchObject({
    fabricId,
    agentId,
    schemaVersion: 1,
  });
  for (const path of [
    "identity/current/tls.key",
    "monitoring/current/tls.key",
    "recovery/key.pem",
    "trust/bundle.json",
  ]) {
    expect((await stat(join(machine.stateDir, path))).mode & 0o777).toBe(0o600);
  }
  expect((await stat(machine.stateDir)).mode & 0o777).toBe(0o700);
  expect(existsSync(join(machine.stateDir, "registry"))).toBe(false);
  const keys = await Promise.all(["identity", "monitoring"].map((kind) => machine.read(`${kind}/current/tls.key`)));
  expect(keys[0]).not.toBe(keys[1]);

  const again = await machine.activate();
  expect(again).toMatchObject({ exitCode: 2, err: expect.stringContaining("ACTIVATION_TOKEN_UNREADABLE") });
  const status = await runAgentCommand(["status", "--state-dir", machine.stateDir]);
  expect(status).toMatchObject({ exitCode: 0, out: expect.stringContaining("berlin") });
});

const steps: readonly ActivationStep[] = [
  "keys-saved",
  "server-verified",
  "answered",
  "staged",
  "trust-saved",
  "monitoring-switched",
  "identity-switched",
  "finished",
];

test.for(steps)(
  "ends in one identity with the same key when it is killed at %s and tried again (ACT 8)",
  async (step) => {
    await using activation = await startScriptedActivation(ca);
    await using machine = await openMachine();
    await writeFile(machine.tokenFile, activation.makeToken());
    const killed = await runAgentCommand([step, machine.tokenFile, machine.stateDir], {
      program: join(import.meta.dirname, "../support/killed-activation.ts"),
    });
    expect(killed.signal).toBe("SIGKILL");
    const result = await machine.activate();
    expect(result).toMatchObject({ exitCode: 0 });
    expect(activation.identities).toHaveLength(1);
    const meta = JSON.parse(await machine.read("identity/current/meta.json")) as { readonly serialNumber: string };
    expect(meta.serialNumber).toBe(activation.identities[0]?.certificate?.serialNumber);
    expect(await machine.read("recovery/join-state")).toBe(activation.identities[0]?.joinState);
    expect(existsSync(machine.tokenFile)).toBe(false);
    expect(await readdir(join(machine.stateDir, "identity"))).not.toContain("next");
    expect(await readdir(join(machine.stateDir, "monitoring"))).not.toContain("next");
  },
);

test("never shows a token: not in output, not in files, not in the process list (R4)", async () => {
  await using activation = await startScriptedActivation(ca);
  await using machine = await openMachine();
  const token = activation.makeToken();
  const secret = token.split(".")[2] ?? "";
  let commandLine = "";
  const result = await runAgentCommand(["activate", "--state-dir", machine.stateDir, "--token-file", "-"], {
    input: token,
    env: { DRAWBRIDGE_LOG_LEVEL: "trace" },
    onPid: (pid) => {
      void readFile(`/proc/${pid}/cmdline`, "utf8").then((text) => (commandLine = text));
    },
  });
  expect(result.exitCode).toBe(0);
  expect(commandLine).toContain("activate");
  expect(commandLine).not.toContain(secret);
  expect(result.out + result.err).not.toContain(secret);
  for (const name of await readdir(machine.stateDir, { recursive: true, withFileTypes: true })) {
    if (name.isFile()) expect(await readFile(join(name.parentPath, name.name), "utf8")).not.toContain(secret);
  }
});

test("refuses a token in place of a file name and says that it is burnt", async () => {
  await using activation = await startScriptedActivation(ca);
  await using machine = await openMachine();
  const token = activation.makeToken();
  const result = await runAgentCommand(["activate", "--state-dir", machine.stateDir, "--token-file", token]);
  expect(result).toMatchObject({ exitCode: 2, err: expect.stringContaining("process list") });
  expect(result.err).not.toContain(token);
  expect(activation.calls).toBe(0);
});

test("refuses an activated folder, and gives it a new identity with --replace", async () => {
  await using activation = await startScriptedActivation(ca);
  await using machine = await openMachine();
  await writeFile(machine.tokenFile, activation.makeToken());
  expect((await machine.activate()).exitCode).toBe(0);
  const first = await machine.read("identity/current/tls.key");
  await writeFile(machine.tokenFile, activation.makeToken());
  expect(await machine.activate()).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("AGENT_ALREADY_ACTIVATED"),
  });
  expect(existsSync(machine.tokenFile)).toBe(true);
  expect(await machine.read("identity/current/tls.key")).toBe(first);
  expect((await machine.activate("--replace")).exitCode).toBe(0);
  expect(await machine.read("identity/current/tls.key")).not.toBe(first);
});

test("sends nothing to a server whose root is not pinned, or that is another service", async () => {
  await using machine = await openMachine();
  const foreign = await createTestCa();
  await using other = await startScriptedActivation(foreign);
  await writeFile(machine.tokenFile, other.makeToken({ pins: ca.pins }));
  expect(await machine.activate()).toMatchObject({ exitCode: 1, err: expect.stringContaining("PIN_MISMATCH") });
  await using impostor = await startScriptedActivation(ca, "config-resolver");
  await writeFile(machine.tokenFile, impostor.makeToken());
  expect(await machine.activate()).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("SERVER_IDENTITY_UNEXPECTED"),
  });
  expect([other.calls, impostor.calls]).toEqual([0, 0]);
});

test.for([
  [
    "an expired token",
    { expiresAt: new Date(Date.now() - 1_000) },
    (token: string) => token,
    4,
    "ACTIVATION_TOKEN_EXPIRED",
  ],
  ["a truncated token", {}, (token: string) => token.slice(0, -5), 2, "38 of 43 characters"],
  [
    "a token with altered claims",
    {},
    (token: string) => token.replace(/^fat1\.e/, "fat1.f"),
    2,
    "ACTIVATION_TOKEN_MALFORMED",
  ],
  [
    "a token of a later version",
    {},
    (token: string) => token.replace("fat1.", "fat2."),
    2,
    "ACTIVATION_TOKEN_VERSION_UNSUPPORTED",
  ],
] as const)("refuses %s here, without a call", async ([, change, alter, exitCode, text]) => {
  await using activation = await startScriptedActivation(ca);
  await using machine = await openMachine();
  await writeFile(machine.tokenFile, alter(activation.makeToken(change)));
  expect(await machine.activate()).toMatchObject({ exitCode, err: expect.stringContaining(text) });
  expect(activation.calls).toBe(0);
});

test.for([
  ["another agent's certificate", (response: object) => ({ ...response, agentId: fabricId })],
  [
    "the certificates exchanged",
    (response: { certificate?: unknown; monitoringCertificate?: unknown }) => ({
      ...response,
      certificate: response.monitoringCertificate,
      monitoringCertificate: response.certificate,
    }),
  ],
  [
    "no tunnel endpoint",
    (response: object) => ({ ...response, endpoints: { tunnel: [], configResolver: "https://x", activation: [] } }),
  ],
  ["roots that the token does not pin", (response: object) => ({ ...response, trustBundleRootsDer: [] })],
] as const)("does not take over an answer with %s", async ([, alter]) => {
  await using activation = await startScriptedActivation(ca);
  activation.alter = (response) => alter(response) as typeof response; // an answer that is wrong on purpose
  await using machine = await openMachine();
  await writeFile(machine.tokenFile, activation.makeToken());
  expect(await machine.activate()).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("ACTIVATION_ANSWER_INVALID"),
  });
  expect(existsSync(join(machine.stateDir, "identity/current"))).toBe(false);
  activation.alter = (response) => response;
  expect((await machine.activate()).exitCode).toBe(0);
});

test("waits for an operator's approval, says so once with its own key, and goes on by itself (R3)", async () => {
  await using activation = await startScriptedActivation(ca);
  const keys = new Set<string>();
  activation.isApproved = (keySha256) => {
    keys.add(keySha256);
    return activation.calls > 3;
  };
  await using machine = await openMachine();
  await writeFile(machine.tokenFile, activation.makeToken());
  const result = await machine.activate();
  expect(result.exitCode).toBe(0);
  expect(activation.calls).toBe(4);
  const [key, ...others] = keys;
  expect(others).toEqual([]);
  expect(result.err.split(`this agent's key is ${key}`)).toHaveLength(2);
  expect(result.err.split("drawbridge fabric token approve")).toHaveLength(2);
});

test("tells its key before there is a token, and activates with that key (R3)", async () => {
  await using activation = await startScriptedActivation(ca);
  const keys = new Set<string>();
  activation.isApproved = (keySha256) => keys.add(keySha256).size > 0;
  await using machine = await openMachine();
  const told = await runAgentCommand(["key", "--state-dir", machine.stateDir]);
  expect(told).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^[0-9a-f]{64}\n$/) });
  expect((await runAgentCommand(["key", "--state-dir", machine.stateDir])).out).toBe(told.out);
  await writeFile(machine.tokenFile, activation.makeToken());
  expect((await machine.activate()).exitCode).toBe(0);
  expect([...keys]).toEqual([told.out.trim()]);
  expect(await runAgentCommand(["key", "--state-dir", machine.stateDir])).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("AGENT_ALREADY_ACTIVATED"),
  });
});

test("gives up waiting for approval, keeps token and keys, and goes on with them the next time (R3)", async () => {
  await using activation = await startScriptedActivation(ca);
  const keys = new Set<string>();
  let isApproved = false;
  activation.isApproved = (keySha256) => {
    keys.add(keySha256);
    return isApproved;
  };
  await using machine = await openMachine();
  await writeFile(machine.tokenFile, activation.makeToken());
  const refused = await machine.activate("--approval-timeout-seconds", "1");
  expect(refused).toMatchObject({ exitCode: 4, err: expect.stringContaining("ACTIVATION_NOT_APPROVED") });
  expect(existsSync(machine.tokenFile)).toBe(true);
  isApproved = true;
  expect((await machine.activate()).exitCode).toBe(0);
  expect(keys.size).toBe(1);
});

test("does not waste a token on a wrong clock: it activates and names the skew (R21)", async () => {
  await using activation = await startScriptedActivation(ca);
  activation.now = () => new Date(Date.now() + 3 * 3_600_000);
  await using machine = await openMachine();
  await writeFile(machine.tokenFile, activation.makeToken());
  const result = await machine.activate();
  expect(result).toMatchObject({ exitCode: 0, err: expect.stringContaining("your clock is 3 h behind") });
});

test("tries the endpoints of a token in turn (R3)", async () => {
  await using activation = await startScriptedActivation(ca);
  await using machine = await openMachine();
  const gone = await startScriptedActivation(ca);
  await gone[Symbol.asyncDispose]();
  const endpoints = `${gone.address},${activation.address}`;
  await writeFile(machine.tokenFile, activation.makeToken({ endpoints }));
  const result = await machine.activate();
  expect(result).toMatchObject({ exitCode: 0, err: expect.stringContaining(`nothing listens at ${gone.address}`) });
  expect(activation.calls).toBe(1);
});

test("says that the control plane cannot be reached, and why (exit code 5)", async () => {
  await using machine = await openMachine();
  const gone = await startScriptedActivation(ca);
  await gone[Symbol.asyncDispose]();
  await writeFile(machine.tokenFile, gone.makeToken());
  const result = await runAgentCommand([
    "activate",
    "--state-dir",
    machine.stateDir,
    "--token-file",
    machine.tokenFile,
    "--timeout-seconds",
    "1",
  ]);
  expect(result).toMatchObject({ exitCode: 5, err: expect.stringContaining("DIAL_REFUSED") });
  expect(existsSync(machine.tokenFile)).toBe(true);
});

test("goes through the configured proxy, and doctor says so", async () => {
  await using activation = await startScriptedActivation(ca);
  await using machine = await openMachine();
  const proxy = await startProxy();
  try {
    await writeFile(machine.tokenFile, activation.makeToken());
    await mkdir(machine.stateDir, { mode: 0o700 });
    const env = {
      DRAWBRIDGE_HTTPS_PROXY: `http://user:pass@127.0.0.1:${proxy.port}`,
      DRAWBRIDGE_STATE_DIR: machine.stateDir,
    };
    const doctor = await runAgentCommand(["doctor", "--token-file", machine.tokenFile], { env });
    expect(doctor).toMatchObject({ exitCode: 0, out: expect.stringContaining("through the proxy") });
    expect(existsSync(machine.tokenFile)).toBe(true);
    const result = await runAgentCommand(["activate", "--token-file", machine.tokenFile], { env });
    expect(result).toMatchObject({ exitCode: 0 });
    expect(new Set(proxy.asked)).toEqual(
      new Set([`${activation.address} Basic ${Buffer.from("user:pass").toString("base64")}`]),
    );
  } finally {
    proxy.server.close();
    proxy.server.closeAllConnections();
  }
});

async function startProxy(): Promise<{
  readonly server: Server;
  readonly port: number;
  readonly asked: readonly string[];
}> {
  const asked: string[] = [];
  const server = createServer();
  server.on("connect", (request, socket) => {
    asked.push(`${request.url} ${request.headers["proxy-authorization"]}`);
    const [host = "", port = ""] = (request.url ?? "").split(":");
    const upstream = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port, asked }; // it listens on TCP
}
