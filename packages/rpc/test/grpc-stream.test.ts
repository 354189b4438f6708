import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  TunnelServiceClient,
  TunnelServiceService,
  type ConnectRequest,
  type ConnectResponse,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder } from "@drawbridge/pki";
import {
  createGrpcClient,
  createGrpcServer,
  defineGrpcService,
  fromGrpcError,
  type CallContext,
  type GrpcServerOptions,
  type HandlerOf,
} from "@drawbridge/rpc";
import { currentTraceparent, startTelemetry, withSpan } from "@drawbridge/telemetry";
import { createTestCa, createTestLogger, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, onTestFinished, test } from "vitest";

const agent = {
  org: "acme",
  fabricId: "01890000-0000-7000-8000-000000000001",
  agentId: "01890000-0000-7000-8000-000000000002",
};
const forever = new AbortController().signal;

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa();
});

type Connect = HandlerOf<TunnelServiceService["connect"]>;

async function startTunnel(connect: Connect, options: Partial<GrpcServerOptions> = {}) {
  const log = createTestLogger();
  const server = createGrpcServer({
    name: "tunnel",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("runtime-manager")),
    clientCertificate: "required",
    services: [
      defineGrpcService(TunnelServiceService, {
        allow: {
          connect: [{ fabric: "agent" }],
          getSnapshot: [{ fabric: "agent" }],
          getApiConfiguration: [],
          getApiObjects: [],
          reportRoutes: [],
          getAnalyticsAccess: [],
        },
        handlers: {
          connect,
          getSnapshot: () => Promise.reject(new Error("not asked for")),
          getApiConfiguration: () => Promise.reject(new Error("not asked for")),
          getApiObjects: () => Promise.reject(new Error("not asked for")),
          reportRoutes: () => Promise.reject(new Error("not asked for")),
          getAnalyticsAccess: () => Promise.reject(new Error("not asked for")),
        },
      }),
    ],
    logger: log.logger,
    ...options,
  });
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  const identity = new IdentityHolder(await ca.issueAgent(agent));
  const client = createGrpcClient(TunnelServiceClient, {
    address: `127.0.0.1:${server.address().port}`,
    identity,
    expectedServer: "/cp/runtime-manager",
    logger: log.logger,
  });
  onTestFinished(() => client.stop(AbortSignal.timeout(1_000)));
  return { server, client, log, identity };
}

const aFrame = (seq: bigint): ConnectRequest => ({ seq, ack: 0n, correlationId: "", frame: undefined });
const anAnswer = (seq: bigint): ConnectResponse => ({ seq, ack: 0n, correlationId: "", frame: undefined });

test("frames pass both ways until the handler returns", async () => {
  const { client } = await startTunnel(async (call) => {
    for await (const frame of call) call.write(anAnswer(frame.seq));
  });
  const stream = client.call.connect();
  const received: bigint[] = [];
  stream.on("data", (frame: ConnectResponse) => void received.push(frame.seq));
  for (const seq of [1n, 2n, 3n]) stream.write(aFrame(seq));
  stream.end();
  await once(stream, "end");
  expect(received).toEqual([1n, 2n, 3n]);
});

test("a handler that throws ends the stream with its code", async () => {
  const { client } = await startTunnel(() =>
    Promise.reject(new DrawbridgeError({ kind: "permission_denied", code: "AGENT_REVOKED", message: "revoked" })),
  );
  const stream = client.call.connect();
  stream.resume();
  const [error] = (await once(stream, "error")) as [Error];
  expect(fromGrpcError(error, "runtime-manager")).toMatchObject({ kind: "permission_denied", code: "AGENT_REVOKED" });
});

test("a caller that is not listed gets no stream", async () => {
  let calls = 0;
  const { server, log } = await startTunnel(async () => void (calls += 1));
  const service = createGrpcClient(TunnelServiceClient, {
    address: `127.0.0.1:${server.address().port}`,
    identity: new IdentityHolder(await ca.issueService("management-api")),
    expectedServer: "/cp/runtime-manager",
    logger: log.logger,
  });
  onTestFinished(() => service.stop(AbortSignal.timeout(1_000)));
  const stream = service.call.connect();
  stream.resume();
  const [error] = (await once(stream, "error")) as [Error];
  expect(fromGrpcError(error, "runtime-manager")).toMatchObject({ code: "CALLER_NOT_ALLOWED" });
  expect(calls).toBe(0);
});

test("the handler's signal aborts when the caller hangs up", async () => {
  const entered = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const { client } = await startTunnel(async (_call, { signal }) => {
    signal.addEventListener("abort", () => left.resolve());
    entered.resolve();
    await left.promise;
  });
  const hangUp = new AbortController();
  const stream = client.call.connect({ signal: hangUp.signal });
  stream.on("error", () => undefined);
  stream.write(aFrame(1n));
  await entered.promise;
  hangUp.abort();
  await left.promise;
});

test("a stream stays on its connection when the client's certificate is swapped, the next one takes the new", async () => {
  const serials: (string | undefined)[] = [];
  const { client, identity } = await startTunnel(async (call, { peer }) => {
    serials.push(peer?.serialNumber);
    for await (const frame of call) call.write(anAnswer(frame.seq));
  });
  const old = client.call.connect();
  old.write(aFrame(1n));
  await once(old, "data");
  const oldSerial = identity.get().serialNumber;
  identity.replace(await ca.issueAgent(agent), new Date());
  const fresh = client.call.connect();
  fresh.write(aFrame(1n));
  await once(fresh, "data");
  old.write(aFrame(2n));
  const [frame] = (await once(old, "data")) as [ConnectResponse];
  expect(frame.seq).toBe(2n);
  expect(serials).toEqual([oldSerial, identity.get().serialNumber]);
  old.end();
  fresh.end();
  await Promise.all([once(old.resume(), "end"), once(fresh.resume(), "end")]);
});

test("onConnection sees every connection before its first call and can refuse it", async () => {
  const seen: string[] = [];
  let calls = 0;
  const { client } = await startTunnel(async () => void (calls += 1), {
    onConnection: (connection) => {
      seen.push(connection.peer?.spiffeId ?? "");
      connection.close("refused by test");
    },
  });
  const stream = client.call.connect();
  stream.resume();
  const [error] = (await once(stream, "error")) as [Error];
  expect(fromGrpcError(error, "runtime-manager")).toMatchObject({ code: "PEER_UNAVAILABLE" });
  expect(seen[0]).toBe(`spiffe://drawbridge.local/org/acme/fabric/${agent.fabricId}/agent/${agent.agentId}`);
  expect(calls).toBe(0);
});

test("one trace crosses the wire, from the caller's span to what the handler does", async () => {
  await using dir = await tempDir();
  const traceFile = join(dir.path, "trace.jsonl");
  const telemetry = startTelemetry({
    service: "test",
    replica: "test-0",
    traceFile,
    logger: createTestLogger().logger,
  });
  const contexts: CallContext[] = [];
  let inHandler = "";
  const { client } = await startTunnel(async (_call, context) => {
    contexts.push(context);
    await Promise.resolve();
    inHandler = currentTraceparent();
  });
  const traceId = await withSpan("operator", {}, async (span) => {
    const stream = client.call.connect();
    stream.end();
    await once(stream.resume(), "end");
    return span.spanContext().traceId;
  });
  await telemetry.stop(AbortSignal.timeout(5_000));
  expect(contexts[0]?.traceparent).toContain(traceId);
  expect(inHandler).toContain(traceId);
  const spans = (await readFile(traceFile, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const operator = spans.find(({ name }) => name === "operator");
  expect(spans.find(({ kind }) => kind === "SERVER")).toMatchObject({ traceId, parentSpanId: operator?.["spanId"] });
});
