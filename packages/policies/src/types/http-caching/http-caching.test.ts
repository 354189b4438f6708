import { expect, test } from "vitest";
import { createCounterStorage } from "../../counters/counter-storage.ts";
import { openCounters } from "../../counters/open-counters.ts";
import {
  aContract,
  anExchange,
  aResponse,
  createManualClock,
  createPolicy,
  createTestServices,
  problemsOf,
  type TestRequest,
} from "../../testing/harness.ts";
import { httpCaching } from "./http-caching.ts";
import { inOrder } from "../../pipeline/policy-order.ts";

interface Upstream {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly isComplete?: boolean;
}

interface Identity {
  readonly client?: string;
  readonly subject?: string;
}

/** A cache before an upstream; `send` says what the client got and from where. */
async function aCache(configuration: Record<string, unknown> = {}, services = createTestServices()) {
  const policy = await createPolicy(httpCaching, configuration, { services });
  const send = async (request: TestRequest, upstream: Upstream = {}, identity: Identity = {}): Promise<string> => {
    const exchange = anExchange({ nowMs: services.clock.nowMs(), ...request });
    if (identity.client !== undefined) exchange.client = aContract(identity.client);
    if (identity.subject !== undefined) exchange.principal = { sub: identity.subject };
    const reply = await policy.onRequest(exchange);
    if (reply) return `cache ${reply.status} ${reply.body === undefined ? "-" : Buffer.from(reply.body).toString()}`;
    const { status = 200, headers = { "cache-control": "max-age=60" }, body = "one", isComplete = true } = upstream;
    const response = aResponse(status, headers);
    policy.onResponse?.(exchange, response);
    const tap = policy.tapResponse?.(exchange, response);
    for (const byte of Buffer.from(body)) tap?.chunk(Buffer.of(byte));
    tap?.end(isComplete);
    return `upstream ${status} ${body}`;
  };
  return { policy, send, services, clock: services.clock };
}

const kept = "cache 200 one";
const notKept = "upstream 200 two";
const get = {};
const two = { body: "two" };

test("a response is given again until it is stale", async () => {
  const { send, clock } = await aCache();
  expect(await send(get)).toBe("upstream 200 one");
  clock.advance(59_999);
  expect(await send(get, two)).toBe(kept);
  clock.advance(1);
  expect(await send(get, two)).toBe(notKept);
  expect(await send(get)).toBe("cache 200 two");
});

test.each<[string, Upstream, string]>([
  ["max-age", { headers: { "cache-control": "max-age=60" } }, kept],
  ["s-maxage before max-age", { headers: { "cache-control": "max-age=60, s-maxage=0" } }, notKept],
  ["s-maxage", { headers: { "cache-control": 's-maxage="5"' } }, kept],
  [
    "Expires in the future",
    { headers: { expires: "Thu, 01 Jan 2026 00:00:05 GMT", date: "Thu, 01 Jan 2026 00:00:00 GMT" } },
    kept,
  ],
  ["Expires: 0", { headers: { expires: "0" } }, notKept],
  [
    "Expires, and max-age=0",
    { headers: { expires: "Thu, 01 Jan 2026 01:00:00 GMT", "cache-control": "max-age=0" } },
    notKept,
  ],
  ["nothing about freshness", { headers: {} }, notKept],
  ["no-store", { headers: { "cache-control": "no-store, max-age=60" } }, notKept],
  ["private", { headers: { "cache-control": "private, max-age=60" } }, notKept],
  ["private for a field", { headers: { "cache-control": 'max-age=60, private="x-a, x-b"' } }, notKept],
  ["no-cache", { headers: { "cache-control": "max-age=60, No-Cache" } }, notKept],
  ["max-age twice", { headers: { "cache-control": "max-age=60, max-age=0" } }, notKept],
  ["max-age that is no number", { headers: { "cache-control": "max-age=sixty" } }, notKept],
  ["a negative max-age", { headers: { "cache-control": "max-age=-1" } }, notKept],
  ["a directive in a text that never ends", { headers: { "cache-control": 'max-age=60, x="no-store' } }, notKept],
  ["a cookie", { headers: { "cache-control": "max-age=60", "set-cookie": "a=b" } }, notKept],
  ["Vary: *", { headers: { "cache-control": "max-age=60", vary: "accept, *" } }, notKept],
  ["Age beyond its life", { headers: { "cache-control": "max-age=60", age: "60" } }, notKept],
  ["Age that is no number", { headers: { "cache-control": "max-age=60", age: "old" } }, notKept],
  ["a Date long ago", { headers: { "cache-control": "max-age=60", date: "Wed, 31 Dec 2025 23:00:00 GMT" } }, notKept],
  [
    "an announced length beyond the limit",
    { headers: { "cache-control": "max-age=60", "content-length": "1048577" } },
    notKept,
  ],
  ["an end that came too early", { isComplete: false }, notKept],
  ["a part of the body", { status: 206 }, notKept],
  ["status 500", { status: 500 }, notKept],
  ["status 302", { status: 302 }, notKept],
  ["status 404", { status: 404 }, "cache 404 one"],
])("a response with %s is kept or not", async (_what, upstream, expected) => {
  const { send } = await aCache();
  await send(get, upstream);
  expect(await send(get, two)).toBe(expected);
});

test.each<[string, TestRequest, string]>([
  ["the same", {}, kept],
  ["HEAD", { method: "HEAD" }, kept],
  ["another query", { query: "a=1" }, notKept],
  ["another path", { path: "/api/other" }, notKept],
  ["another host", { authority: "other.example.com" }, notKept],
  ["plain HTTP", { isTls: false }, notKept],
  ["Authorization", { headers: { authorization: "Bearer x" } }, notKept],
  ["Authorization in capitals", { headers: { AUTHORIZATION: "x" } }, notKept],
  ["a cookie", { headers: { cookie: "a=b" } }, notKept],
  ["a client id", { headers: { client_id: "x" } }, notKept],
  ["an API key", { headers: { "X-API-Key": "x" } }, notKept],
  ["Range", { headers: { range: "bytes=0-1" } }, notKept],
  ["If-Match", { headers: { "if-match": '"x"' } }, notKept],
  ["a body", { contentLength: 3 }, notKept],
  ["a body of unknown length", { contentLength: undefined }, notKept],
  ["no-cache, which is not honoured", { headers: { "cache-control": "no-cache" } }, kept],
])("what was kept is given to a request with %s, or not", async (_what, request, expected) => {
  const { send } = await aCache();
  await send(get);
  expect(await send(request, two)).toBe(expected);
});

test.each<[string, TestRequest]>([
  ["Authorization", { headers: { authorization: "Bearer x" } }],
  ["a cookie", { headers: { cookie: "a=b" } }],
  ["no-store", { headers: { "cache-control": "no-store" } }],
  ["method HEAD", { method: "HEAD" }],
  ["method POST", { method: "POST" }],
  ["method OPTIONS", { method: "OPTIONS" }],
])("the answer to a request with %s is not kept, however public it says it is", async (_what, request) => {
  const { send } = await aCache();
  await send(request, { headers: { "cache-control": "public, max-age=60" } });
  expect(await send(get, two)).toBe(notKept);
});

test("a request that a policy identified is one with credentials, though none are left in its headers", async () => {
  const { send } = await aCache();
  await send(get, {}, { subject: "ann" });
  expect(await send(get, two)).toBe(notKept);
  expect(await send(get, two, { client: "shop" })).toBe(notKept);
});

const allowing = (credentialedRequests: string) => aCache({ credentialedRequests });
const bearer = { headers: { authorization: "Bearer x" } };
const open = { headers: { "cache-control": "public, max-age=60" } };

test("shared: kept for all who were identified, if it says so, and never given to others", async () => {
  const { send } = await allowing("shared");
  await send(bearer, {}, { subject: "ann" });
  expect(await send(bearer, { ...open, body: "two" }, { subject: "ann" })).toBe(notKept);
  expect(await send(bearer, {}, { subject: "bob" })).toBe("cache 200 two");
  expect(await send(get, two)).toBe(notKept);
});

test("per_client: kept for each client and subject apart", async () => {
  const { send } = await allowing("per_client");
  await send(bearer, {}, { client: "shop", subject: "ann" });
  expect(await send(bearer, two, { client: "shop", subject: "ann" })).toBe(kept);
  for (const other of [
    { client: "shop", subject: "bob" },
    { client: "other", subject: "ann" },
    { subject: "ann" },
    { client: "shop" },
  ]) {
    expect(await send(bearer, two, other)).toBe(notKept);
  }
});

test.each(["shared", "per_client"])(
  "%s: credentials that no policy has checked always reach the upstream",
  async (mode) => {
    const { send } = await allowing(mode);
    await send(bearer, open);
    expect(await send(bearer, two)).toBe(notKept);
    await send(bearer, open, { subject: "ann" });
    expect(await send(bearer, two)).toBe(notKept);
  },
);

test("responses are told apart by what Vary names", async () => {
  const { send } = await aCache();
  const headers = { "cache-control": "max-age=60", vary: "Accept-Language , accept" };
  await send({ headers: { "accept-language": "de" } }, { headers });
  expect(await send({ headers: { "Accept-Language": "de" } }, two)).toBe(kept);
  expect(await send({ headers: { "accept-language": "fr" } }, { headers, body: "two" })).toBe(notKept);
  expect(await send({ headers: { "accept-language": "de" } })).toBe(kept);
  expect(await send({ headers: { "accept-language": "fr" } })).toBe("cache 200 two");
  expect(await send({ headers: { "accept-language": "de", accept: "text/html" } }, two)).toBe(notKept);
});

test("the key is the part of the query and the headers that the configuration names", async () => {
  const { send } = await aCache({ key: { query: ["page"], headers: ["X-Tenant"] } });
  await send({ query: "page=1&utm=a", headers: { "x-tenant": "a" } });
  expect(await send({ query: "utm=b&page=1", headers: { "X-Tenant": "a" } }, two)).toBe(kept);
  expect(await send({ query: "page=2", headers: { "x-tenant": "a" } }, two)).toBe(notKept);
  expect(await send({ query: "page=1", headers: { "x-tenant": "b" } }, two)).toBe(notKept);
  expect(await send({ query: "page=1&page=2", headers: { "x-tenant": "a" } }, two)).toBe(notKept);
});

test("with honourRequestDirectives a client can ask for a fresh response", async () => {
  const { send, clock } = await aCache({ honourRequestDirectives: true });
  await send(get);
  clock.advance(5000);
  expect(await send({ headers: { "cache-control": "max-age=5" } }, two)).toBe(kept);
  expect(await send({ headers: { "cache-control": "max-age=4" } }, { body: "one" })).toBe("upstream 200 one");
  expect(await send({ headers: { "cache-control": "no-cache" } }, two)).toBe(notKept);
  expect(await send({ headers: { pragma: "no-cache" } }, { body: "three" })).toBe("upstream 200 three");
});

test("a kept response carries its Age and none of the fields that belong to one connection or moment", async () => {
  const { policy, send, clock } = await aCache();
  const headers = {
    "cache-control": "max-age=60",
    age: "10",
    date: "Thu, 01 Jan 2026 00:00:00 GMT",
    "content-length": "3",
    "content-type": "text/plain",
  };
  await send(get, { headers });
  clock.advance(20_500);
  const reply = await policy.onRequest(anExchange());
  expect(reply?.headers).toStrictEqual(["cache-control", "max-age=60", "content-type", "text/plain", "age", "30"]);
  expect(reply).toMatchObject({ isViolation: false, reason: "cached_response" });
});

test.each([
  ['"v1"', "304"],
  ['W/"v1"', "304"],
  ['"v0", "v1"', "304"],
  ["*", "304"],
  ['"v2"', "200"],
  ["v1", "200"],
  ['"v1', "200"],
])('If-None-Match %s on a response with ETag W/"v1" is answered %s', async (tag, status) => {
  const { policy, send } = await aCache();
  await send(get, { headers: { "cache-control": "max-age=60", etag: 'W/"v1"', "content-type": "text/plain" } });
  const reply = await policy.onRequest(anExchange({ headers: { "if-none-match": tag } }));
  expect(String(reply?.status)).toBe(status);
  if (status === "304")
    expect(reply).toMatchObject({
      body: undefined,
      headers: ["cache-control", "max-age=60", "etag", 'W/"v1"', "age", "0"],
    });
});

test.each([
  ["Wed, 31 Dec 2025 00:00:00 GMT", undefined, 304],
  ["Tue, 30 Dec 2025 23:59:59 GMT", undefined, 200],
  ["yesterday", undefined, 200],
  ["Wed, 31 Dec 2025 00:00:00 GMT", '"other"', 200],
])("If-Modified-Since %s with If-None-Match %s is answered %d", async (since, tag, status) => {
  const { policy, send } = await aCache();
  await send(get, {
    headers: { "cache-control": "max-age=60", etag: '"v1"', "last-modified": "Wed, 31 Dec 2025 00:00:00 GMT" },
  });
  const headers = { "if-modified-since": since, ...(tag === undefined ? {} : { "if-none-match": tag }) };
  expect((await policy.onRequest(anExchange({ headers })))?.status).toBe(status);
});

test.each<[string, TestRequest, Upstream, string]>([
  ["POST", { method: "POST" }, { status: 201 }, notKept],
  ["DELETE with another query", { method: "DELETE", query: "a=1" }, { status: 204 }, notKept],
  ["an unknown method", { method: "FROB" }, {}, notKept],
  ["a refused PUT", { method: "PUT" }, { status: 409 }, kept],
  ["a failed PUT", { method: "PUT" }, { status: 503 }, kept],
  ["OPTIONS", { method: "OPTIONS" }, {}, kept],
  ["POST elsewhere", { method: "POST", path: "/api/other" }, {}, kept],
  [
    "POST elsewhere that names it as Location",
    { method: "POST", path: "/api/other" },
    { status: 201, headers: { location: "/api/orders" } },
    notKept,
  ],
  [
    "POST elsewhere that names it on another host",
    { method: "POST", path: "/api/other" },
    { headers: { "content-location": "https://evil.example.com/api/orders" } },
    kept,
  ],
])("%s makes the cache forget the resource, or not", async (_what, request, upstream, expected) => {
  const { send } = await aCache();
  await send(get);
  await send(request, upstream);
  expect(await send(get, two)).toBe(expected);
});

test("a response that was under way while its resource was written to is not given again", async () => {
  const { policy, send } = await aCache();
  const reading = anExchange();
  expect(await policy.onRequest(reading)).toBeUndefined();
  await send({ method: "PUT" });
  const response = aResponse(200, { "cache-control": "max-age=60" });
  policy.onResponse?.(reading, response);
  const tap = policy.tapResponse?.(reading, response);
  tap?.chunk(Buffer.from("old"));
  tap?.end(true);
  expect(await send(get, two)).toBe(notKept);
});

test("unsafe requests in one thread make all threads forget, the whole API where so configured", async () => {
  const storage = createCounterStorage();
  const clock = createManualClock();
  const thread = (configuration = {}) =>
    aCache(configuration, createTestServices({ clock, counters: openCounters(storage, clock.nowMs) }));
  const [one, other] = [await thread(), await thread()];
  await one.send(get);
  await other.send({ method: "PUT" });
  expect(await one.send(get, two)).toBe(notKept);
  const everything = await thread({ unsafeMethodsInvalidate: "everything" });
  await everything.send({ method: "POST", path: "/api/far/away" });
  expect(await one.send(get)).toBe("upstream 200 one");
});

test("the cache is bounded in entries and bytes, and in the length of one body", async () => {
  const byNumber = await aCache({ maximumEntries: 2 });
  for (const path of ["/a", "/b", "/c"]) await byNumber.send({ path });
  expect(await byNumber.send({ path: "/c" }, two)).toBe(kept);
  expect(await byNumber.send({ path: "/b" }, two)).toBe(kept);
  expect(await byNumber.send({ path: "/a" }, two)).toBe(notKept);
  const byBytes = await aCache({ maximumBytes: 4096, maximumEntryBytes: 2000 });
  const long = { body: "x".repeat(2000) };
  await byBytes.send({ path: "/a" }, long);
  await byBytes.send({ path: "/b" }, long);
  expect(await byBytes.send({ path: "/a" }, two)).toBe(notKept);
  await byBytes.send({ path: "/c" }, { body: "x".repeat(2001) });
  expect(await byBytes.send({ path: "/c" }, two)).toBe(notKept);
});

test("life is cut at the configured maximum, and given where a response says nothing", async () => {
  const short = await aCache({ maximumTtlSeconds: 10 });
  await short.send(get);
  short.clock.advance(10_000);
  expect(await short.send(get, two)).toBe(notKept);
  const silent = await aCache({ defaultTtlSeconds: 10 });
  await silent.send(get, { headers: {} });
  expect(await silent.send(get, two)).toBe(kept);
});

test("replies of policies and of the gateway are not kept", async () => {
  const { policy, send } = await aCache();
  for (const origin of ["policy", "gateway"] as const) {
    const exchange = anExchange();
    await policy.onRequest(exchange);
    const response = aResponse(200, { "cache-control": "max-age=60" }, origin);
    policy.onResponse?.(exchange, response);
    expect(policy.tapResponse?.(exchange, response)).toBeUndefined();
  }
  expect(await send(get, two)).toBe(notKept);
});

test("the cache comes after all other policies, so that it gives nothing that one of them would refuse", () => {
  const policies = [
    { type: "http-caching", automated: true, order: 1 },
    { type: "jwt-validation", automated: false, order: 2 },
    { type: "cors", automated: false, order: 9 },
  ];
  expect(inOrder(policies).map(({ type }) => type)).toStrictEqual(["cors", "jwt-validation", "http-caching"]);
});

test.each([
  [{ maximumEntries: 0 }, "maximumEntries"],
  [{ key: { query: "some" } }, "key.query"],
  [{ key: { headers: ["a b"] } }, "key.headers.0: must be the name of a header"],
  [{ key: { body: true } }, "key"],
  [{ credentialedRequests: "always" }, "credentialedRequests"],
  [{ maximumTtlSeconds: 0 }, "maximumTtlSeconds"],
])("the schema refuses %j and names the field", (configuration, problem) => {
  const problems = problemsOf(httpCaching, configuration);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
