import { once } from "node:events";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { parseEnv } from "node:util";
import { clientTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectSuccess, logIn } from "../src/stack/activate-fabric.ts";
import { freePortBase } from "../src/stack/free-port-base.ts";
import { type LocalStack, openLocalStack } from "../src/stack/local-stack.ts";
import { removeState } from "../src/stack/remove-state.ts";
import { controlPlaneServices } from "../src/stack/services.ts";
import { leakIdentity } from "./support/leak-identities.ts";

/** Listeners that ask for no certificate: of whoever has not got one yet, operators, gateways with a token, and readers of what is public. */
const oneWay = new Set([
  "activation DRAWBRIDGE_FABRIC_LISTEN",
  "analytics-ingest DRAWBRIDGE_FABRIC_LISTEN",
  "cert-authority DRAWBRIDGE_FABRIC_LISTEN",
  "management-api DRAWBRIDGE_LISTEN",
]);
/** Plain HTTP on a private address. */
const plain = "DRAWBRIDGE_OPS_LISTEN";

interface Listener {
  readonly name: string;
  readonly service: string;
  readonly port: number;
}

let stack: LocalStack;
let folder: string;
let listeners: readonly Listener[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-e2e-"));
  stack = await openLocalStack({
    stateDir: join(folder, "state"),
    portBase: await freePortBase(),
    survives: "process-kill",
  });
  await stack.startControlPlane();
  await logIn(stack);
  listeners = (await Promise.all(controlPlaneServices.map(({ name }) => listenersOf(name)))).flat();
});
afterAll(async () => {
  await stack.stop();
  await removeState(folder);
});

/** Every address that a service is told to listen on: one more is one more row of the tests below. */
async function listenersOf(service: string): Promise<readonly Listener[]> {
  const environment = parseEnv(await readFile(stack.layout.envFile(service), "utf8"));
  return Object.entries(environment).flatMap(([variable, address]) =>
    variable.endsWith("LISTEN") && variable !== plain
      ? [{ name: `${service} ${variable}`, service, port: Number(address?.split(":")[1]) }]
      : [],
  );
}

const mutual = (): readonly Listener[] => listeners.filter(({ name }) => !oneWay.has(name));

/** Beside the one that management-api uses: somebody has a copy of a folder. */
const leakedIdentity = (): Promise<IdentitySnapshot> => leakIdentity(stack, { service: "management-api" });

async function dial({ port, service }: Listener, identity: IdentitySnapshot, session?: Buffer): Promise<TLSSocket> {
  const socket = connect({
    host: "127.0.0.1",
    port,
    ...clientTlsOptions(identity, { expectedServer: `/cp/${service}`, alpnProtocols: ["h2", "http/1.1"] }),
    ...(session ? { session } : {}),
  });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  return socket;
}

/** The code of the error that a first request is answered with, in the protocol that the listener speaks. */
async function answerOf(listener: Listener, identity: IdentitySnapshot, session?: Buffer): Promise<string> {
  const socket = await dial(listener, identity, session);
  expect(socket.isSessionReused(), listener.name).toBe(false);
  try {
    return await (socket.alpnProtocol === "h2" ? grpcAnswer(socket) : httpAnswer(socket));
  } finally {
    socket.destroy();
  }
}

/** grpc.health.v1: a method that every gRPC listener has and every caller may use. */
async function grpcAnswer(socket: TLSSocket): Promise<string> {
  const session = connectHttp2("https://127.0.0.1", { createConnection: () => socket });
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Check",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.end(Buffer.alloc(5)); // an empty message
  let details = "";
  let status = "none";
  const take = (headers: IncomingHttpHeaders): void => {
    const { "grpc-status": code, "grpc-status-details-bin": bytes } = headers;
    if (typeof code === "string") status = code;
    if (typeof bytes === "string") details += bytes;
  };
  stream
    .on("response", take)
    .on("trailers", take)
    .on("error", () => undefined);
  stream.resume();
  await once(stream, "close");
  session.destroy();
  const text = Buffer.from(details, "base64").toString("latin1");
  return /CERTIFICATE_REVOKED/.exec(text)?.[0] ?? `grpc-status ${status}`;
}

async function httpAnswer(socket: TLSSocket): Promise<string> {
  socket.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return /"code":"(\w+)"/.exec(text)?.[1] ?? text.slice(0, 200);
}

async function revoke(identity: IdentitySnapshot): Promise<void> {
  const args = ["cert", "revoke", identity.serialNumber, "--reason", "folder copied"];
  await expectSuccess("cert revoke", stack.cli(args));
}

/** Until every listener refuses it; what each answered last. */
async function refusedEverywhere(identity: IdentitySnapshot): Promise<Record<string, string>> {
  const answers = await Promise.all(
    mutual().map(async (listener) => {
      for (;;) {
        // A connection that was let in and is cut in the middle answers nothing.
        const answer = await answerOf(listener, identity).catch(() => "cut");
        if (answer === "CERTIFICATE_REVOKED") return [listener.name, answer] as const;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }),
  );
  return Object.fromEntries(answers);
}

const all = (answer: string): Record<string, string> => Object.fromEntries(mutual().map(({ name }) => [name, answer]));

test("a listener either asks for a certificate or is known to be one that does not", async () => {
  const { trustBundle } = await leakedOnce();
  for (const { name, port, service } of listeners) {
    // analytics-ingest speaks HTTP/2 too, but no gRPC there.
    const alpnProtocols = oneWay.has(name) && service === "analytics-ingest" ? ["http/1.1"] : ["h2", "http/1.1"];
    const socket = connect({
      host: "127.0.0.1",
      port,
      ...clientTlsOptions({ trustBundle }, { expectedServer: `/cp/${service}`, alpnProtocols }),
    });
    let alert = "";
    socket.on("error", (error: NodeJS.ErrnoException) => void (alert = error.code ?? ""));
    await once(socket, "secureConnect");
    if (oneWay.has(name)) {
      const answer = await (socket.alpnProtocol === "h2" ? grpcAnswer(socket) : httpAnswer(socket));
      expect(answer, name).toMatch(/^(grpc-status 0|[A-Z_]+)$/);
    } else {
      await new Promise((resolve) => socket.resume().once("close", resolve));
      expect(alert, name).toBe("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    }
    socket.destroy();
  }
  expect(listeners.map(({ name }) => name).filter((name) => oneWay.has(name))).toHaveLength(oneWay.size);
});

test("every mTLS listener refuses a revoked certificate, cuts what was open, and takes up no kept TLS session (REN 6, R9, R26 j)", async () => {
  const leaked = await leakedOnce();
  const sessions = new Map<string, Buffer>();
  const open = await Promise.all(
    mutual().map(async (listener) => {
      expect(await answerOf(listener, leaked), listener.name).not.toBe("CERTIFICATE_REVOKED");
      const socket = await dial(listener, leaked);
      socket.on("session", (session: Buffer) => void sessions.set(listener.name, session));
      const cut = once(socket.resume(), "close");
      return { listener, cut };
    }),
  );
  await revoke(leaked);
  await Promise.all(open.map(({ cut }) => cut));
  expect(await refusedEverywhere(leaked)).toEqual(all("CERTIFICATE_REVOKED"));
  for (const { listener } of open)
    expect(await answerOf(listener, leaked, sessions.get(listener.name)), listener.name).toBe("CERTIFICATE_REVOKED");
});

test("without NATS a revocation is felt within 5 s of the answer to the operator, by polling (R9)", async () => {
  const leaked = await leakedIdentity();
  await stack.backing.nats.kill();
  try {
    await revoke(leaked);
    const revokedAtMs = performance.now();
    expect(await refusedEverywhere(leaked)).toEqual(all("CERTIFICATE_REVOKED"));
    expect(performance.now() - revokedAtMs).toBeLessThan(5_000);
  } finally {
    await stack.backing.nats.restart();
  }
});

test("a service that starts while cert-authority is away has the list from its mirror on the bus (R17)", async () => {
  const leaked = await leakedOnce();
  const services = [...new Set(mutual().map(({ service }) => service))].filter((name) => name !== "cert-authority");
  await stack.service("cert-authority").kill();
  try {
    await Promise.all(services.map((name) => stack.service(name).kill()));
    for (const name of services) stack.service(name).start();
    await Promise.all(services.map((name) => stack.service(name).waitReady()));
    for (const listener of mutual()) {
      if (listener.service === "cert-authority") continue;
      expect(await answerOf(listener, leaked), listener.name).toBe("CERTIFICATE_REVOKED");
    }
  } finally {
    stack.service("cert-authority").start();
    await stack.service("cert-authority").waitReady();
  }
});

let first: Promise<IdentitySnapshot> | undefined;
function leakedOnce(): Promise<IdentitySnapshot> {
  first ??= leakedIdentity();
  return first;
}
