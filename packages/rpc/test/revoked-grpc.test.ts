import { once } from "node:events";
import {
  TunnelServiceClient,
  TunnelServiceService,
  type ConnectRequest,
  type ConnectResponse,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { createHealth } from "@drawbridge/lifecycle";
import { IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import {
  createGrpcClient,
  createGrpcServer,
  defineGrpcService,
  fromGrpcError,
  type GrpcServerOptions,
  type HandlerOf,
} from "@drawbridge/rpc";
import { createTestCa, createTestLogger, FakeClock, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { startRevocations } from "./support/revocations.ts";

const agentParts = {
  org: "acme",
  fabricId: "01890000-0000-7000-8000-000000000001",
  agentId: "01890000-0000-7000-8000-000000000002",
};
const forever = new AbortController().signal;

let ca: TestCa;
let agent: IdentitySnapshot;
beforeAll(async () => {
  ca = await createTestCa();
});

type Connect = HandlerOf<TunnelServiceService["connect"]>;
const echo: Connect = async (call) => {
  for await (const frame of call) call.write(anAnswer(frame.seq));
};

async function setUp(connect: Connect = echo, options: Partial<GrpcServerOptions> = {}) {
  agent = await ca.issueAgent(agentParts);
  const revocations = await startRevocations();
  onTestFinished(() => revocations.list.stop(AbortSignal.timeout(1_000)));
  const log = createTestLogger();
  const seen = { connections: 0, calls: 0 };
  const server = createGrpcServer({
    name: "tunnel",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("runtime-manager")),
    clientCertificate: "required",
    revocations: revocations.list,
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
          connect: (call, context) => {
            seen.calls += 1;
            return connect(call, context);
          },
          getSnapshot: () => Promise.reject(new Error("not asked for")),
          getApiConfiguration: () => Promise.reject(new Error("not asked for")),
          getApiObjects: () => Promise.reject(new Error("not asked for")),
          reportRoutes: () => Promise.reject(new Error("not asked for")),
          getAnalyticsAccess: () => Promise.reject(new Error("not asked for")),
        },
      }),
    ],
    onConnection: () => void (seen.connections += 1),
    health: createHealth(),
    logger: log.logger,
    ...options,
  });
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  const client = createGrpcClient(TunnelServiceClient, {
    address: `127.0.0.1:${server.address().port}`,
    identity: new IdentityHolder(agent),
    expectedServer: "/cp/runtime-manager",
    logger: log.logger,
  });
  onTestFinished(() => client.stop(AbortSignal.timeout(1_000)));
  const connected = async () => {
    const stream = client.call.connect();
    stream.write(aFrame(1n));
    await once(stream, "data");
    return stream;
  };
  const refused = async () => {
    for (;;) {
      const stream = client.call.connect().resume();
      const [error] = (await once(stream, "error")) as [Error];
      const failure = fromGrpcError(error, "runtime-manager");
      if (failure.code !== "PEER_UNAVAILABLE") return failure; // it was cut, and connects again
    }
  };
  return { revocations, server, client, seen, connected, refused };
}

const aFrame = (seq: bigint): ConnectRequest => ({ seq, ack: 0n, correlationId: "", frame: undefined });
const anAnswer = (seq: bigint): ConnectResponse => ({ seq, ack: 0n, correlationId: "", frame: undefined });
const refusal = {
  kind: "permission_denied",
  code: "CERTIFICATE_REVOKED",
  details: { reason: "key leaked" },
};

test("a revoked peer is told why at every call, reaches no handler, and is cut within a second (REN 6)", async () => {
  const clock = new FakeClock();
  const { revocations, server, seen, refused } = await setUp(echo, { clock });
  await revocations.revoke(agent);
  expect(await refused()).toMatchObject(refusal);
  expect(await refused()).toMatchObject(refusal);
  expect(seen).toEqual({ connections: 0, calls: 0 });
  const [connection] = [...server.connections()];
  clock.advance(1_000);
  await connection?.closed;
});

test("what was revoked between the handshake and the first call gets no call", async () => {
  const { revocations, server, seen, client, refused } = await setUp();
  // The health method opens the connection without a call of the service's own being made.
  const stream = client.call.connect();
  stream.on("error", () => undefined);
  while (seen.connections === 0) await new Promise(setImmediate);
  const [connection] = [...server.connections()];
  const calls = seen.calls;
  await revocations.revoke(agent);
  await connection?.closed;
  expect(await refused()).toMatchObject(refusal);
  expect(seen.calls).toBe(calls);
});

test("an open stream is cut at once when its certificate is revoked, others go on (REN 6)", async () => {
  const left = Promise.withResolvers<void>();
  const { revocations, server, connected, refused } = await setUp(async (call, { peer, signal }) => {
    if (peer?.serialNumber === agent.serialNumber) signal.addEventListener("abort", () => left.resolve());
    await echo(call, {} as never);
  });
  const stream = await connected();
  const other = createGrpcClient(TunnelServiceClient, {
    address: `127.0.0.1:${server.address().port}`,
    identity: new IdentityHolder(await ca.issueAgent(agentParts)),
    expectedServer: "/cp/runtime-manager",
    logger: createTestLogger().logger,
  });
  onTestFinished(() => other.stop(AbortSignal.timeout(1_000)));
  const untouched = other.call.connect();
  untouched.write(aFrame(1n));
  await once(untouched, "data");
  const cut = once(stream, "error");
  await revocations.revoke(agent);
  await cut;
  await left.promise;
  expect(await refused()).toMatchObject(refusal);
  untouched.write(aFrame(2n));
  const [frame] = (await once(untouched, "data")) as [ConnectResponse];
  expect(frame.seq).toBe(2n);
  untouched.end();
  await once(untouched.resume(), "end");
});

test("a stream may be said goodbye to before it is cut", async () => {
  const streams: { write(frame: ConnectResponse): unknown }[] = [];
  const { revocations, connected } = await setUp(
    async (call, context) => {
      streams.push(call);
      await echo(call, context);
    },
    {
      onRevoked: (_connection, cut) => {
        for (const stream of streams) stream.write(anAnswer(99n));
        setImmediate(cut);
      },
    },
  );
  const stream = await connected();
  stream.on("error", () => undefined);
  const goodbye = once(stream, "data");
  await revocations.revoke(agent);
  expect(((await goodbye) as [ConnectResponse])[0].seq).toBe(99n);
});

test.each([
  ["never cuts", () => undefined],
  [
    "fails",
    () => {
      throw new Error("goodbye failed");
    },
  ],
])("a goodbye that %s keeps nobody longer than a second, and no new call is let in", async (_what, onRevoked) => {
  const clock = new FakeClock();
  const { revocations, server, seen, connected, refused } = await setUp(echo, { clock, onRevoked });
  const stream = await connected();
  stream.on("error", () => undefined);
  const [connection] = [...server.connections()];
  await revocations.revoke(agent);
  expect(await refused()).toMatchObject(refusal);
  expect(seen.calls).toBe(1);
  clock.advance(1_000);
  await connection?.closed;
});

test("a server does not listen before the list was read", async () => {
  const { revocations } = await setUp();
  await expect(setUp(echo, { revocations: { ...revocations.list, isLoaded: false } })).rejects.toThrow(
    "the revocation list starts before its listeners",
  );
});

test("an expired certificate ends its stream within a minute (R9)", async () => {
  const clock = new FakeClock();
  const { server, connected } = await setUp(echo, { clock });
  const stream = await connected();
  const [connection] = [...server.connections()];
  clock.jumpTo(agent.notAfter);
  clock.advance(60_000);
  await once(stream, "error");
  await connection?.closed;
});
