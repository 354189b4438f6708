import { randomUUID } from "node:crypto";
import { connectBus, createConsumer, type Bus } from "@drawbridge/bus";
import type { EventEnvelope } from "@drawbridge/contracts";
import { ConfigurationServiceClient } from "@drawbridge/contracts/config/v1/configuration_service";
import { systemClock } from "@drawbridge/lifecycle";
import { IdentityHolder } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { openStore, sql } from "@drawbridge/store";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aBundle, type TestBundle } from "./support/bundles.ts";
import { startEnvironment, type Environment, type ResolverProcess } from "./support/environment.ts";
import { codeOf, connect, metricsOf, send } from "./support/http.ts";

const forever = new AbortController().signal;
let environment: Environment;
let resolver: ResolverProcess;
let bus: Bus;
let bundle: TestBundle;
const events: EventEnvelope[] = [];
let onEvent = Promise.withResolvers<void>();
const cleanUp = new AsyncDisposableStack();

beforeAll(async () => {
  environment = cleanUp.use(await startEnvironment());
  resolver = cleanUp.use(await environment.start());
  const { logger } = createTestLogger();
  bus = connectBus({ url: environment.nats.url, credentials: environment.nats.credentials, name: "test", logger });
  await bus.start(forever);
  cleanUp.defer(() => bus.stop(AbortSignal.timeout(5_000)));
  const consumer = createConsumer({
    bus,
    stream: "CONFIG",
    durable: "test",
    types: ["config.bundle.stored.v1", "config.artefact.refused.v1"],
    clock: systemClock,
    logger,
    handle: async (event) => {
      events.push(event);
      onEvent.resolve();
      onEvent = Promise.withResolvers<void>();
    },
  });
  await consumer.start(forever);
  cleanUp.defer(() => consumer.stop(AbortSignal.timeout(5_000)));
  bundle = await upload();
});
afterAll(() => cleanUp.disposeAsync());

async function upload(): Promise<TestBundle> {
  const made = await aBundle(environment.folder);
  const { status } = await send({
    identity: environment.managementApi,
    port: resolver.ports.upload,
    method: "PATCH",
    path: made.path,
    headers: { "upload-offset": 0, "upload-length": made.bytes.byteLength },
    body: made.bytes,
  });
  expect(status).toBe(201);
  return made;
}

/** Resolves with the first event that matches. */
async function eventWhere(matches: (event: EventEnvelope) => boolean): Promise<EventEnvelope> {
  for (;;) {
    const next = onEvent.promise;
    const found = events.find(matches);
    if (found !== undefined) return found;
    await next;
  }
}

const deploy = (digest: string, fabricId = environment.fabricId) =>
  environment.peers.deployed.add(`${fabricId} ${digest}`);
const aFabric = () => randomUUID();
const agentOf = (fabricId: string) => environment.ca.issueAgent({ org: "acme", fabricId, agentId: randomUUID() });

function fetchIt(
  options: {
    readonly path?: string;
    readonly headers?: Record<string, string>;
    readonly method?: string;
    readonly identity?: Environment["agent"];
  } = {},
) {
  return send({
    identity: options.identity ?? environment.agent,
    port: resolver.ports.fabric,
    method: options.method ?? "GET",
    path: options.path ?? bundle.path,
    headers: options.headers ?? {},
  });
}

async function withConfigurationClient<T>(
  work: (call: ReturnType<typeof createGrpcClient<typeof ConfigurationServiceClient.service>>["call"]) => Promise<T>,
  identity = environment.managementApi,
): Promise<T> {
  const client = createGrpcClient(ConfigurationServiceClient, {
    address: `127.0.0.1:${resolver.ports.internal}`,
    identity: new IdentityHolder(identity),
    expectedServer: "/cp/config-resolver",
    logger: createTestLogger().logger,
    maxMessageBytes: 8 * 1024 * 1024,
  });
  try {
    return await work(client.call);
  } finally {
    await client.stop(forever);
  }
}

test("an agent fetches a bundle that is deployed to its fabric (MGT 2)", async () => {
  deploy(bundle.digest);
  const answer = await fetchIt();
  expect(answer).toMatchObject({
    status: 200,
    headers: {
      etag: `"${bundle.digest}"`,
      "accept-ranges": "bytes",
      "content-length": String(bundle.bytes.byteLength),
    },
  });
  expect(answer.body.equals(bundle.bytes)).toBe(true);
});

test("a broken download goes on by Range, and If-Range guards it", async () => {
  deploy(bundle.digest);
  const size = bundle.bytes.byteLength;
  const rest = await fetchIt({ headers: { range: "bytes=4000-", "if-range": `"${bundle.digest}"` } });
  expect(rest).toMatchObject({ status: 206, headers: { "content-range": `bytes 4000-${size - 1}/${size}` } });
  expect(rest.body.equals(bundle.bytes.subarray(4_000))).toBe(true);
  const other = await fetchIt({ headers: { range: "bytes=4000-", "if-range": '"sha256:other"' } });
  expect([other.status, other.body.byteLength]).toEqual([200, size]);
  const beyond = await fetchIt({ headers: { range: `bytes=${size}-` } });
  expect(beyond).toMatchObject({ status: 416, headers: { "content-range": `bytes */${size}` } });
  expect(codeOf(beyond)).toBe("RANGE_NOT_SATISFIABLE");
  const head = await fetchIt({ method: "HEAD" });
  expect(head).toMatchObject({ status: 200, headers: { "content-length": String(size) }, body: Buffer.alloc(0) });
  expect((await fetchIt({ headers: { "if-none-match": `"${bundle.digest}"` } })).status).toBe(304);
});

test("a fabric gets nothing that is not deployed to it: 403, audited and counted (MGT 2)", async () => {
  const fabricId = aFabric();
  const identity = await agentOf(fabricId);
  const answer = await fetchIt({ identity });
  expect([answer.status, codeOf(answer)]).toEqual([403, "ARTEFACT_NOT_ENTITLED"]);
  const event = await eventWhere(({ type, scope }) => type === "config.artefact.refused.v1" && scope === fabricId);
  expect(event.payload).toMatchObject({
    fabricId,
    digest: bundle.digest,
    spiffeId: identity.spiffeId,
    remoteAddress: "127.0.0.1",
  });
  expect(await metricsOf(resolver.ports.ops)).toMatch(/drawbridge_config_resolver_artefact_refused_total\S* [1-9]/);
});

test("a locked agent gets nothing of what is deployed to its fabric (REN 7)", async () => {
  const fabricId = aFabric();
  const identity = await agentOf(fabricId);
  deploy(bundle.digest, fabricId);
  if (identity.identity.kind !== "agent") throw new Error("the identity of an agent");
  environment.peers.locked.add(identity.identity.agentId);
  const answer = await fetchIt({ identity });
  expect([answer.status, codeOf(answer)]).toEqual([403, "AGENT_LOCKED"]);
});

test("a refusal does not tell whether the artefact exists", async () => {
  const identity = await agentOf(aFabric());
  const nothing = `/v1/bundles/sha256:${"9".repeat(64)}`;
  const [there, notThere] = [await fetchIt({ identity }), await fetchIt({ identity, path: nothing })];
  expect([notThere.status, codeOf(notThere)]).toEqual([there.status, codeOf(there)]);
});

test("a deployment takes effect at once for a fabric that was refused before", async () => {
  const fabricId = aFabric();
  const identity = await agentOf(fabricId);
  expect((await fetchIt({ identity })).status).toBe(403);
  deploy(bundle.digest, fabricId);
  expect((await fetchIt({ identity })).status).toBe(200);
});

test("what is deployed but not stored is 404", async () => {
  const digest = `sha256:${"8".repeat(64)}`;
  deploy(digest);
  const answer = await fetchIt({ path: `/v1/bundles/${digest}` });
  expect([answer.status, codeOf(answer)]).toEqual([404, "BUNDLE_NOT_FOUND"]);
});

test("services and collectors are refused at the fabric's door", async () => {
  const collector = await environment.ca.issueCollector({ org: "acme", fabricId: environment.fabricId });
  for (const identity of [environment.managementApi, collector]) {
    const answer = await fetchIt({ identity });
    expect([answer.status, codeOf(answer)]).toEqual([403, "CALLER_NOT_ALLOWED"]);
  }
});

test("a revocation cuts open connections and refuses new ones, told by the bus or found without it (REN 6)", async () => {
  for (const hint of ["told", "found"]) {
    const fabricId = aFabric();
    const identity = await agentOf(fabricId);
    deploy(bundle.digest, fabricId);
    expect((await fetchIt({ identity })).status).toBe(200);
    const idle = await connect({ identity, port: resolver.ports.fabric, path: bundle.path });
    environment.peers.revoke(identity);
    if (hint === "told") await bus.broadcast("ctl.revoked", new Uint8Array());
    await idle.closed;
    const answer = await fetchIt({ identity });
    expect([answer.status, codeOf(answer)]).toEqual([403, "CERTIFICATE_REVOKED"]);
  }
});

test("a stored bundle is announced once, with name and version", async () => {
  const event = await eventWhere(
    ({ type, payload }) =>
      type === "config.bundle.stored.v1" && "digest" in payload && payload.digest === bundle.digest,
  );
  expect(event).toMatchObject({
    scope: "control-plane",
    payload: { digest: bundle.digest, sizeBytes: BigInt(bundle.bytes.byteLength), appName: "sample", version: "1.2.3" },
  });
});

test("management-api reads a bundle's metadata, and gets BUNDLE_NOT_FOUND for one that is not there", async () => {
  await withConfigurationClient(async (call) => {
    const found = await call.getBundle({ digest: bundle.digest });
    expect(found).toMatchObject({
      digest: bundle.digest,
      path: bundle.path,
      sizeBytes: BigInt(bundle.bytes.byteLength),
    });
    expect(JSON.parse(found.manifestJson)).toMatchObject({ name: "sample" });
    await expect(call.getBundle({ digest: `sha256:${"7".repeat(64)}` })).rejects.toMatchObject({
      code: "BUNDLE_NOT_FOUND",
    });
    await expect(call.getBundle({ digest: "latest" })).rejects.toMatchObject({ code: "DIGEST_INVALID" });
  });
});

test("a configuration reaches the agent whole, under a digest that is the same for the same values", async () => {
  const request = {
    org: "acme",
    properties: { B: "2", A: "1" },
    secureProperties: { KEY: "s3cret-canary" },
    sealedProperties: { S: "eyJ" },
  };
  const first = await withConfigurationClient((call) => call.putConfiguration(request));
  const again = await withConfigurationClient((call) =>
    call.putConfiguration({ ...request, properties: { A: "1", B: "2" } }),
  );
  const otherOrg = await withConfigurationClient((call) => call.putConfiguration({ ...request, org: "other" }));
  expect(again).toEqual(first);
  expect(otherOrg.digest).not.toBe(first.digest);
  expect(first.path).toBe(`/v1/configurations/${first.digest}`);
  expect(codeOf(await fetchIt({ path: first.path }))).toBe("ARTEFACT_NOT_ENTITLED");
  deploy(first.digest);
  const answer = await fetchIt({ path: first.path });
  expect(answer.status).toBe(200);
  expect(answer.body.byteLength).toBe(Number(first.sizeBytes));
  expect(JSON.parse(answer.body.toString())).toEqual({
    properties: { A: "1", B: "2" },
    secureProperties: { KEY: "s3cret-canary" },
    sealedProperties: { S: "eyJ" },
  });
});

test("secure values are in no table and in no log", async () => {
  const canary = `canary-${randomUUID()}`;
  await withConfigurationClient((call) =>
    call.putConfiguration({ org: "acme", properties: {}, secureProperties: { KEY: canary }, sealedProperties: {} }),
  );
  const store = openStore<object>({
    url: environment.adminUrl,
    schema: "config_resolver",
    logger: createTestLogger().logger,
  });
  await store.start(forever);
  const { rows } = await sql<{
    dump: string;
  }>`SELECT encode(ciphertext, 'escape') || encode(wrapped_key, 'escape') AS dump FROM configuration`.execute(store.db);
  await store.stop(forever);
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.filter(({ dump }) => dump.includes(canary) || dump.includes("KEY"))).toEqual([]);
  expect(resolver.output()).not.toContain(canary);
});

test("refuses a configuration over 1 MiB by its own code, and callers that are not management-api", async () => {
  const request = { org: "acme", properties: { A: "x".repeat(1_100_000) }, secureProperties: {}, sealedProperties: {} };
  await expect(withConfigurationClient((call) => call.putConfiguration(request))).rejects.toMatchObject({
    code: "CONFIGURATION_TOO_LARGE",
    kind: "invalid_argument",
  });
  for (const identity of [environment.agent, await environment.ca.issueService("activation")]) {
    await expect(
      withConfigurationClient((call) => call.putConfiguration({ ...request, properties: {} }), identity),
    ).rejects.toMatchObject({ code: "CALLER_NOT_ALLOWED" });
  }
});

test("with runtime-manager away, what was entitled a moment ago is served, and the rest is 503 with Retry-After", async () => {
  const remembered = await upload();
  const fresh = await upload();
  deploy(remembered.digest);
  deploy(fresh.digest);
  expect((await fetchIt({ path: remembered.path })).status).toBe(200);
  await environment.peers.stopRuntimeManager();
  expect((await fetchIt({ path: remembered.path })).status).toBe(200);
  const answer = await fetchIt({ path: fresh.path });
  expect(answer).toMatchObject({ status: 503, headers: { "retry-after": "2" } });
  expect(codeOf(answer)).toBe("ENTITLEMENT_UNKNOWN");
});
