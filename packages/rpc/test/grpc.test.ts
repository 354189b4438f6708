import {
  ActivationTokenServiceClient,
  ActivationTokenServiceService,
  type CreateActivationTokenRequest,
  type RevokeActivationTokenRequest,
} from "@drawbridge/contracts/activation/v1/activation_token_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import {
  createGrpcClient,
  createGrpcServer,
  defineGrpcService,
  type CallContext,
  type GrpcServerOptions,
} from "@drawbridge/rpc";
import { createTestCa, createTestLogger, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, onTestFinished, test } from "vitest";

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa();
});

const fabricId = "01890000-0000-7000-8000-000000000001";
const agentId = "01890000-0000-7000-8000-000000000002";
const holderOf = (snapshot: IdentitySnapshot): IdentityHolder => new IdentityHolder(snapshot);

const forever = new AbortController().signal;
const soon = () => AbortSignal.timeout(5_000);

interface Behaviour {
  readonly create?: (request: CreateActivationTokenRequest, context: CallContext) => Promise<void>;
  readonly revoke?: (request: RevokeActivationTokenRequest, context: CallContext) => Promise<void>;
}

function tokenService(behaviour: Behaviour) {
  return defineGrpcService(ActivationTokenServiceService, {
    allow: {
      createActivationToken: [{ service: "management-api" }],
      listActivationTokens: [],
      getActivationToken: [],
      approveActivationToken: [],
      revokeActivationToken: [{ fabric: "agent" }, { service: "management-api" }],
    },
    handlers: {
      createActivationToken: async (request, context) => {
        await behaviour.create?.(request, context);
        return { token: undefined, secretToken: "made" };
      },
      listActivationTokens: () => Promise.resolve({ tokens: [], nextPageToken: "" }),
      getActivationToken: () => Promise.resolve({ token: undefined }),
      approveActivationToken: () => Promise.resolve({ token: undefined }),
      revokeActivationToken: async (request, context) => {
        await behaviour.revoke?.(request, context);
        return { token: undefined };
      },
    },
  });
}

async function startServer(behaviour: Behaviour, options: Partial<GrpcServerOptions> = {}) {
  const log = createTestLogger();
  const identity = holderOf(await ca.issueService("activation"));
  const server = createGrpcServer({
    name: "internal",
    listen: { host: "127.0.0.1", port: 0 },
    identity,
    clientCertificate: "required",
    services: [tokenService(behaviour)],
    logger: log.logger,
    ...options,
  });
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  return { server, log, identity, address: `127.0.0.1:${server.address().port}` };
}

function client(address: string, identity: IdentityHolder, expectedServer = "/cp/activation") {
  const made = createGrpcClient(ActivationTokenServiceClient, {
    address,
    identity,
    expectedServer,
    logger: createTestLogger().logger,
  });
  onTestFinished(() => made.stop(soon()));
  return made.call;
}

const aRequest: CreateActivationTokenRequest = {
  requestId: "",
  fabricId: "",
  fabricName: "",
  org: "",
  ttlSeconds: 0,
  createdBy: "",
  allowedNetworks: [],
  requiresApproval: false,
  keySha256: "",
};

test("a listed caller is let through and its identity reaches the handler", async () => {
  const seen: CallContext[] = [];
  const { address } = await startServer({ create: async (_request, context) => void seen.push(context) });
  const call = client(address, holderOf(await ca.issueService("management-api")));
  expect((await call.createActivationToken(aRequest)).secretToken).toBe("made");
  expect(seen[0]?.peer?.spiffeId).toBe("spiffe://drawbridge.local/cp/management-api");
  expect(seen[0]?.remoteAddress).toBe("127.0.0.1");
});

test.each([
  { who: "another service", caller: () => ca.issueService("runtime-manager") },
  { who: "an agent", caller: () => ca.issueAgent({ org: "acme", fabricId, agentId }) },
])("refuses $who that the method does not list", async ({ caller }) => {
  const { address } = await startServer({});
  const call = client(address, holderOf(await caller()));
  await expect(call.createActivationToken(aRequest)).rejects.toMatchObject({
    kind: "permission_denied",
    code: "CALLER_NOT_ALLOWED",
  });
});

test("callers that speak at the same time are never taken for one another", async () => {
  const seen: string[] = [];
  const { address } = await startServer({
    revoke: async ({ tokenId }, { peer }) => void seen.push(`${tokenId} ${peer?.identity.kind}`),
  });
  const service = client(address, holderOf(await ca.issueService("management-api")));
  const agent = client(address, holderOf(await ca.issueAgent({ org: "acme", fabricId, agentId })));
  const calls = Array.from({ length: 40 }, (_, index) =>
    index % 2 === 0
      ? service.revokeActivationToken({ tokenId: "as-service" })
      : agent.revokeActivationToken({ tokenId: "as-agent" }),
  );
  await Promise.all(calls);
  expect(new Set(seen)).toEqual(new Set(["as-service service", "as-agent agent"]));
});

test("a method with an empty list refuses everybody", async () => {
  const { address } = await startServer({});
  const call = client(address, holderOf(await ca.issueService("management-api")));
  const request = { fabricId: "", pageSize: 1, pageToken: "" };
  await expect(call.listActivationTokens(request)).rejects.toMatchObject({ code: "CALLER_NOT_ALLOWED" });
});

test("refuses a client certificate of a foreign CA", async () => {
  const { address } = await startServer({});
  const foreign = await createTestCa();
  const own = await ca.issueService("management-api");
  const stranger = await foreign.issueService("management-api");
  const holder = holderOf({ ...stranger, trustBundle: own.trustBundle });
  await expect(client(address, holder).createActivationToken(aRequest)).rejects.toMatchObject({
    code: "PEER_UNAVAILABLE",
  });
});

test("the client refuses a server with another SPIFFE ID", async () => {
  const { address, log } = await startServer({});
  const call = client(address, holderOf(await ca.issueService("management-api")), "/cp/cert-authority");
  await expect(call.createActivationToken(aRequest)).rejects.toMatchObject({
    kind: "unavailable",
    code: "PEER_UNAVAILABLE",
  });
  expect(log.withMessage("call")).toEqual([]);
});

test("an error keeps its code, kind, message, details and retry delay on the wire", async () => {
  const thrown = new DrawbridgeError({
    kind: "resource_exhausted",
    code: "TOKENS_EXHAUSTED",
    message: "too many",
    details: { limit: "5" },
    retryAfterMs: 1_500,
    cause: new Error("the truth"),
  });
  const { address, log } = await startServer({ create: () => Promise.reject(thrown) });
  const error = await client(address, holderOf(await ca.issueService("management-api")))
    .createActivationToken(aRequest)
    .catch((e: unknown) => e);
  expect(error).toBeInstanceOf(DrawbridgeError);
  expect(error).toMatchObject({
    kind: "resource_exhausted",
    code: "TOKENS_EXHAUSTED",
    message: "too many",
    details: { limit: "5" },
    retryAfterMs: 1_500,
  });
  expect((error as DrawbridgeError).cause).toBeUndefined();
  expect(JSON.stringify(log.records)).toContain("the truth");
});

test("a foreign error becomes internal, and its text stays in the server's log", async () => {
  const { address, log } = await startServer({
    create: () => Promise.reject(new Error("column secret does not exist")),
  });
  const error = await client(address, holderOf(await ca.issueService("management-api")))
    .createActivationToken(aRequest)
    .catch((e: unknown) => e);
  expect(error).toMatchObject({ kind: "internal", code: "INTERNAL", message: "internal error" });
  expect(JSON.stringify(error)).not.toContain("column");
  expect(JSON.stringify(log.records)).toContain("column secret does not exist");
});

test("one record per call says who, what, how it ended and how long it took", async () => {
  const { address, log } = await startServer({});
  await client(address, holderOf(await ca.issueService("management-api"))).createActivationToken(aRequest);
  const calls = log.withMessage("call");
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatchObject({
    method: "/drawbridge.activation.v1.ActivationTokenService/CreateActivationToken",
    peer: "spiffe://drawbridge.local/cp/management-api",
    outcome: "ok",
    duration_ms: expect.any(Number) as number,
  });
});

test("the handler's signal aborts when the caller's deadline passes", async () => {
  const aborted = Promise.withResolvers<void>();
  const { address } = await startServer({
    create: (_request, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          aborted.resolve();
          reject(new Error("gone"));
        }),
      ),
  });
  const call = client(address, holderOf(await ca.issueService("management-api")));
  await expect(call.createActivationToken(aRequest, { timeoutMs: 300 })).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
  });
  await aborted.promise;
});

test("an idempotent call is retried while the peer is unavailable, any other is not", async () => {
  let calls = 0;
  const flaky = (): Promise<void> => {
    calls += 1;
    if (calls % 3 === 0) return Promise.resolve();
    return Promise.reject(new DrawbridgeError({ kind: "unavailable", code: "STORE_UNAVAILABLE", message: "later" }));
  };
  const { address } = await startServer({ create: flaky });
  const call = client(address, holderOf(await ca.issueService("management-api")));
  await expect(call.createActivationToken(aRequest)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(calls).toBe(1);
  await call.createActivationToken(aRequest, { idempotent: true });
  expect(calls).toBe(3);
});

test("a server that is not there is PEER_UNAVAILABLE, without text of the transport", async () => {
  const { server, address } = await startServer({});
  await server.stop(AbortSignal.abort());
  const call = client(address, holderOf(await ca.issueService("management-api")));
  const error = await call.createActivationToken(aRequest).catch((e: unknown) => e);
  expect(error).toMatchObject({
    kind: "unavailable",
    code: "PEER_UNAVAILABLE",
    message: "activation cannot be reached",
  });
});

test("new connections get the new certificate at once after a swap, on both sides", async () => {
  const peers: (string | undefined)[] = [];
  const { address, identity, server } = await startServer({
    create: async (_r, { peer }) => void peers.push(peer?.serialNumber),
  });
  const clientIdentity = holderOf(await ca.issueService("management-api"));
  const call = client(address, clientIdentity);
  await call.createActivationToken(aRequest);
  const before = clientIdentity.get().serialNumber;
  identity.replace(await ca.issueService("activation"), new Date());
  clientIdentity.replace(await ca.issueService("management-api"), new Date());
  await call.createActivationToken(aRequest);
  expect(peers).toEqual([before, clientIdentity.get().serialNumber]);
  expect([...server.connections()].some(({ peer }) => peer?.serialNumber === clientIdentity.get().serialNumber)).toBe(
    true,
  );
});

test("a certificate that expires while its connection is open is refused at the next call", async () => {
  let nowMs = Date.now();
  const clock = {
    now: () => new Date(nowMs),
    monotonicMs: () => performance.now(),
    sleep: () => new Promise<void>(() => undefined),
  };
  const { address } = await startServer({}, { clock });
  const holder = holderOf(await ca.issueService("management-api", { ttlSeconds: 3600 }));
  const call = client(address, holder);
  await call.createActivationToken(aRequest);
  nowMs = holder.get().notAfter.getTime();
  await expect(call.createActivationToken(aRequest)).rejects.toMatchObject({
    kind: "unauthenticated",
    code: "IDENTITY_EXPIRED",
  });
});

test("stopping waits for the call in flight and refuses the next", async () => {
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const { address, server } = await startServer({
    create: async () => {
      entered.resolve();
      await release.promise;
    },
  });
  const call = client(address, holderOf(await ca.issueService("management-api")));
  const answer = call.createActivationToken(aRequest);
  await entered.promise;
  const stopped = server.stop(soon());
  await expect(call.revokeActivationToken({ tokenId: "" })).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  release.resolve();
  expect((await answer).secretToken).toBe("made");
  await stopped;
});

test("stopping cuts what is left at the deadline", async () => {
  const entered = Promise.withResolvers<void>();
  const { address, server } = await startServer({
    create: async () => {
      entered.resolve();
      await new Promise(() => undefined);
    },
  });
  const answer = client(address, holderOf(await ca.issueService("management-api"))).createActivationToken(aRequest);
  const refused = expect(answer).rejects.toMatchObject({ kind: "unavailable" });
  await entered.promise;
  await server.stop(AbortSignal.timeout(50));
  await refused;
});

test("a message above the limit is refused", async () => {
  const { address } = await startServer({}, { maxMessageBytes: 1024 });
  const call = client(address, holderOf(await ca.issueService("management-api")));
  await expect(call.createActivationToken({ ...aRequest, org: "x".repeat(4096) })).rejects.toMatchObject({
    kind: "resource_exhausted",
  });
});

test("closing a connection from the server ends its calls", async () => {
  const entered = Promise.withResolvers<void>();
  const { address, server } = await startServer({
    create: async () => {
      entered.resolve();
      await new Promise(() => undefined);
    },
  });
  const answer = client(address, holderOf(await ca.issueService("management-api"))).createActivationToken(aRequest);
  const refused = expect(answer).rejects.toMatchObject({ kind: "unavailable" });
  await entered.promise;
  for (const connection of server.connections()) connection.close("revoked");
  await refused;
});
