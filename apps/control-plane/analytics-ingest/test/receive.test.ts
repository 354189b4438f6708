import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { once } from "node:events";
import { constants } from "node:http2";
import { join } from "node:path";
import { promisify } from "node:util";
import { createGrantSigner } from "@drawbridge/analytics-access";
import { chainToPem } from "@drawbridge/pki";
import { readBatch } from "@drawbridge/request-batch";
import { createTestCa, sendThenRead, tempDir } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { batchHeader, readQueuedBatch } from "../src/receive/queued-batch.ts";
import { aBatch } from "./support/a-batch.ts";
import { fabricId, otherFabricId, startIntake, type IntakeWorld } from "./support/intake-world.ts";
import { answerOf, batchesPath, bearer, connectGateway, connectHttp1, packed, sendHttp1 } from "./support/send.ts";

const mib = 1024 * 1024;
let world: IntakeWorld;
beforeAll(async () => {
  world = await startIntake();
});
afterAll(() => world[Symbol.asyncDispose]());

const zstd = { "content-encoding": "zstd" };
const json = { "content-type": "application/json" };
const aRequest = { time: "2026-11-22T10:00:00Z", environment: "production", api: "orders", verb: "get", status: 200 };

test("a batch of a gateway is in the queue, byte for byte, when it is answered (ANA)", async () => {
  await using gateway = await connectGateway(world);
  const bytes = aBatch({ rows: 500, epoch: 7n, sequence: 41n });
  const answer = await gateway.send(packed(bytes), { ...bearer(await world.token()), ...zstd });
  expect(answer).toMatchObject({ status: 200, json: { accepted: 500, minFlushMs: 0 } });
  const [message] = await world.drain(1);
  if (message === undefined) throw new Error("nothing was queued");
  const batch = readQueuedBatch(message);
  expect(batch.fabricId).toBe(fabricId);
  expect(Buffer.compare(batch.bytes, bytes)).toBe(0);
  expect(Math.abs(Date.now() - batch.receivedAtMs)).toBeLessThan(60_000);
  expect(message.header(batchHeader)).toBe(`${fabricId}:gateway-1:7:41`);
});

test("HTTP/1.1 and a body that is not packed do as well", async () => {
  const bytes = aBatch({ sequence: 42n });
  expect(await sendHttp1(world, bytes, bearer(await world.token()))).toMatchObject({ status: 200 });
  const [message] = await world.drain(1);
  expect(message && Buffer.compare(readQueuedBatch(message).bytes, bytes)).toBe(0);
});

test("a batch that is sent again is a success and queued once; the same name of another fabric is another batch", async () => {
  await using gateway = await connectGateway(world);
  const body = packed(aBatch({ epoch: 8n }));
  const [mine, theirs] = [await world.token(), await world.token({ fabricId: otherFabricId })];
  for (const token of [mine, mine, theirs]) {
    expect(await gateway.send(body, { ...bearer(token), ...zstd })).toMatchObject({
      status: 200,
      json: { accepted: 10 },
    });
  }
  const taken = await world.drain(2);
  expect(taken.map((message) => readQueuedBatch(message).fabricId)).toEqual([fabricId, otherFabricId]);
  await expect.poll(() => world.waiting()).toBe(0);
});

test.each<[string, (now: number) => Promise<Record<string, string>>, string]>([
  ["no token", async () => ({}), "ANALYTICS_TOKEN_INVALID"],
  ["no bearer token", async () => ({ authorization: "Basic YTpi" }), "ANALYTICS_TOKEN_INVALID"],
  ["garbage", async () => bearer("a.b.c"), "ANALYTICS_TOKEN_INVALID"],
  ["an expired token", async (now) => bearer(await expired(now)), "ANALYTICS_TOKEN_EXPIRED"],
  ["a token of another installation", async () => bearer(await foreignToken()), "ANALYTICS_TOKEN_INVALID"],
  ["a token that another service signed", async () => bearer(await signedBy("api-manager")), "ANALYTICS_TOKEN_INVALID"],
  ["a token whose grant was changed", async () => bearer(await changed()), "ANALYTICS_TOKEN_INVALID"],
])("%s is refused before the body is there (ANA)", async (_what, headersOf, code) => {
  await using gateway = await connectGateway(world);
  const headers = { ":method": "POST", ":path": batchesPath, "content-type": "application/x-protobuf" };
  // Half a megabyte is announced, and none of it is sent.
  const stream = gateway.session.request({ ...headers, "content-length": "524288", ...(await headersOf(Date.now())) });
  stream.write("x");
  const answer = await answerOf(stream);
  expect(answer).toMatchObject({ status: 401, json: { code } });
  expect(answer.headers["www-authenticate"]).toBe("Bearer");
  if (!stream.closed) await once(stream, "close");
  expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  await expect.poll(() => world.waiting()).toBe(0);
});

async function expired(now: number): Promise<string> {
  return world.token({ issuedAt: new Date(now - 7_200_000), expiresAt: new Date(now - 3_600_000) });
}

const plainGrant = () => ({
  fabricId,
  environments: ["production"],
  issuedAt: new Date(),
  expiresAt: new Date(Date.now() + 3_600_000),
  tokenId: "01890000-0000-7000-8000-0000000000ff",
});

async function foreignToken(): Promise<string> {
  const foreign = await (await createTestCa()).issueService("runtime-manager");
  return createGrantSigner(() => foreign)(plainGrant());
}

async function signedBy(service: string): Promise<string> {
  const signer = await world.ca.issueService(service);
  return createGrantSigner(() => signer)(plainGrant());
}

async function changed(): Promise<string> {
  const [head, payload = "", signature] = (await world.token()).split(".");
  const grant = Buffer.from(payload, "base64url").toString().replace(fabricId, otherFabricId);
  return [head, Buffer.from(grant).toString("base64url"), signature].join(".");
}

test("who asks before he sends is told without sending (RFC 9110 10.1.1)", async () => {
  const refused = await sendHttp1(world, aBatch(), { expect: "100-continue" });
  expect(refused).toMatchObject({ status: 401 });
  expect(refused.headers.connection).toBe("close");
});

test("an address that shows bad tokens again and again is put off, and a known token from there is not", async () => {
  await using own = await startIntake();
  await using gateway = await connectGateway(own);
  const good = { ...bearer(await own.token()), ...zstd };
  expect(await gateway.send(packed(aBatch()), good)).toMatchObject({ status: 200 });
  const statuses = new Set<number>();
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const { status, headers } = await gateway.send(new Uint8Array(1), bearer(`${attempt}.forged.token`));
    statuses.add(status);
    if (status === 429) expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  }
  expect([...statuses]).toEqual([401, 429]);
  expect(await gateway.send(packed(aBatch({ sequence: 2n })), good)).toMatchObject({ status: 200 });
});

test("a token is for its environments only (ANA)", async () => {
  const token = await world.token({ environments: ["test", "production"] });
  const answer = await sendHttp1(world, aBatch({ environment: "staging" }), bearer(token));
  expect(answer).toMatchObject({ status: 403, json: { code: "ANALYTICS_ENVIRONMENT_FORBIDDEN" } });
  await expect.poll(() => world.waiting()).toBe(0);
});

test.each<[string, () => Uint8Array, Record<string, string>, number, string]>([
  ["garbage", () => Buffer.from("not a batch at all"), {}, 400, "ANALYTICS_BATCH_INVALID"],
  ["nothing", () => new Uint8Array(), {}, 400, "ANALYTICS_BATCH_INVALID"],
  ["a batch that ends too soon", () => aBatch().subarray(0, 200), {}, 400, "ANALYTICS_BATCH_INVALID"],
  ["what says zstd and is not", () => aBatch(), zstd, 400, "BODY_MALFORMED"],
  ["half a frame", () => packed(aBatch({ rows: 200 })).subarray(0, 500), zstd, 400, "BODY_MALFORMED"],
  ["a frame that unpacks to 64 MiB", () => packed(Buffer.alloc(64 * mib)), zstd, 413, "BODY_TOO_LARGE"],
  ["more than 1 MiB", () => Buffer.alloc(mib + 1), {}, 413, "BODY_TOO_LARGE"],
  ["gzip", () => aBatch(), { "content-encoding": "gzip" }, 415, "MEDIA_TYPE_UNSUPPORTED"],
  ["another type", () => aBatch(), { "content-type": "text/plain" }, 415, "MEDIA_TYPE_UNSUPPORTED"],
  ["JSON that is none", () => Buffer.from("{"), json, 400, "BODY_MALFORMED"],
])("%s is refused for good, over both protocols", async (_what, bodyOf, headers, status, code) => {
  const all = { ...bearer(await world.token()), ...headers };
  await using gateway = await connectGateway(world);
  expect(await gateway.send(bodyOf(), all)).toMatchObject({ status, json: { code } });
  expect(await sendHttp1(world, bodyOf(), all)).toMatchObject({ status, json: { code } });
  await expect.poll(() => world.waiting()).toBe(0);
});

test("who reads nothing before a body that is too large is sent still gets the refusal", async () => {
  const head = `POST ${batchesPath} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${await world.token()}\r\n`;
  const said = await sendThenRead(connectHttp1(world), `${head}content-type: application/x-protobuf\r\n`);
  expect(said).toMatch(/^HTTP\/1.1 413 /);
});

test("a body without a length is cut off where it becomes too large", async () => {
  await using gateway = await connectGateway(world);
  const headers = { ":method": "POST", ":path": batchesPath, "content-type": "application/x-protobuf" };
  const stream = gateway.session.request({ ...headers, ...bearer(await world.token()) });
  stream.on("error", () => undefined);
  const answering = answerOf(stream);
  stream.write(Buffer.alloc(2 * mib)); // and it goes on
  expect(await answering).toMatchObject({ status: 413, json: { code: "BODY_TOO_LARGE" } });
});

test("JSON is taken from curl, with the fields of a request (ANA)", async () => {
  await using folder = await tempDir();
  const body = join(folder.path, "batch.json");
  const request = {
    ...aRequest,
    apiVersion: "v2",
    resourcePath: "/orders/{id}",
    latencyMs: 12.5,
    upstreamMs: 10,
    clientIp: "2001:db8::7",
    userAgent: "curl/8.14.1",
    policy: "rate limit",
    disposition: "policy_violation",
  };
  await writeFile(
    body,
    JSON.stringify({ gateway: "edge-1", epoch: 3, sequence: 9, geography: "country", requests: [request] }),
  );
  const roots = join(folder.path, "roots.pem");
  await writeFile(roots, chainToPem(world.ca.trustBundle.rootsDer));
  // The certificate has no host name but its service's name.
  const tls = ["--cacert", roots, "--connect-to", `analytics-ingest:443:127.0.0.1:${world.port}`];
  const args = [
    "--silent",
    "--show-error",
    ...tls,
    "-H",
    "content-type: application/json",
    "--data-binary",
    `@${body}`,
  ];
  const url = `https://analytics-ingest${batchesPath}`;
  const authorization = `authorization: Bearer ${await world.token()}`;
  const { stdout } = await promisify(execFile)("curl", [...args, "-H", authorization, url]);
  expect(JSON.parse(stdout)).toEqual({ accepted: 1, minFlushMs: 0 });
  const [message] = await world.drain(1);
  if (message === undefined) throw new Error("nothing was queued");
  const batch = readBatch(readQueuedBatch(message).bytes);
  expect(message.header(batchHeader)).toBe(`${fabricId}:edge-1:3:9`);
  expect(batch.apis).toMatchObject([{ name: "orders", version: "v2", environment: "production", geography: 2 }]);
  expect(batch.baseTimeMs).toBe(Date.parse(aRequest.time));
  expect(Array.from({ length: batch.strings.length }, (_, at) => batch.strings.textOf(at))).toContain("GET");
  expect(batch.columns.latencyUs.at(0)).toBe(12_500);
  expect(batch.policies).toMatchObject([{}, { name: "rate limit" }]);
});

test("JSON that does not fit is refused with each field that does not (ANA)", async () => {
  const requests = [
    { ...aRequest, status: 42, verb: "" },
    { ...aRequest, resourcePath: "/a?token=secret", cookie: "x" },
  ];
  const answer = await sendHttp1(world, JSON.stringify({ gateway: "Edge 1", requests }), {
    ...bearer(await world.token()),
    ...json,
  });
  expect(answer).toMatchObject({ status: 400, json: { code: "ANALYTICS_BATCH_INVALID" } });
  const fields = (answer.json["errors"] as { field: string }[]).map(({ field }) => field);
  expect(fields).toEqual(["gateway", "requests.0.verb", "requests.0.status", "requests.1.resourcePath", "requests.1"]);
});

test("JSON without numbers counts once by its Idempotency-Key, and each time without one", async () => {
  const body = JSON.stringify({ gateway: "edge-2", requests: [aRequest] });
  const headers = { ...bearer(await world.token()), ...json };
  for (const key of ["one", "one", "two"]) {
    expect(await sendHttp1(world, body, { ...headers, "idempotency-key": key })).toMatchObject({ status: 200 });
  }
  for (let time = 0; time < 2; time += 1) expect(await sendHttp1(world, body, headers)).toMatchObject({ status: 200 });
  const names = (await world.drain(4)).map((message) => message.header(batchHeader));
  expect(new Set(names).size).toBe(4);
  await expect.poll(() => world.waiting()).toBe(0);
});

test("there is nothing at other addresses", async () => {
  await using gateway = await connectGateway(world);
  const stream = gateway.session.request({ ":method": "GET", ":path": batchesPath });
  expect(await answerOf(stream)).toMatchObject({ status: 404, json: { code: "ROUTE_NOT_FOUND" } });
});
