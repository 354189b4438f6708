import { once } from "node:events";
import { Readable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "./support/start-api.ts";
import { digestOf } from "./support/stand-in-config-resolver.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
});
afterAll(() => world[Symbol.asyncDispose]());

let bytes: Buffer;
let digest: string;
let counter = 0;
beforeEach(() => {
  counter += 1;
  bytes = Buffer.alloc(300_000, `bundle ${counter} `);
  digest = digestOf(bytes);
  world.configResolver.receivedBytes = 0;
});

const probe = () => world.api.call("HEAD", `/v1/bundles/${digest}`, { token: world.adminToken });
const send = (part: Buffer, offset: number, total = bytes.length) =>
  world.api.call("PATCH", `/v1/bundles/${digest}`, {
    token: world.adminToken,
    bytes: part,
    headers: { "upload-offset": String(offset), "upload-length": String(total) },
  });

describe("an upload", () => {
  test("in one piece is stored, and described with its manifest", async () => {
    expect((await probe()).status).toBe(404);
    expect((await send(bytes, 0)).status).toBe(201);
    const found = await probe();
    expect(found.status).toBe(200);
    expect(found.headers["content-length"]).toBe(String(bytes.length));
    const shown = await world.api.call("GET", `/v1/bundles/${digest}`, { token: world.adminToken });
    expect(shown.json).toMatchObject({ digest, sizeBytes: bytes.length, name: "hello", version: "1.0.0" });
  });

  test("goes on where the part before ended", async () => {
    const first = await send(bytes.subarray(0, 100_000), 0);
    expect(first.status).toBe(204);
    expect(first.headers["upload-offset"]).toBe("100000");
    expect((await probe()).headers["upload-offset"]).toBe("100000");
    expect((await send(bytes.subarray(100_000), 100_000)).status).toBe(201);
  });

  test("from the wrong place is refused in config-resolver's words", async () => {
    const answer = await send(bytes.subarray(5), 5);
    expect(answer.json).toMatchObject({
      status: 409,
      code: "UPLOAD_OFFSET_MISMATCH",
      detail: "the upload goes on at 0, not at 5",
    });
  });

  test("to a full bundle store is 507 and not 429: waiting does not help", async () => {
    world.configResolver.failNextUpload = new DrawbridgeError({
      kind: "resource_exhausted",
      code: "DISK_FULL",
      message: "the bundle store is full",
    });
    expect((await send(bytes, 0)).json).toMatchObject({
      status: 507,
      code: "DISK_FULL",
      kind: "resource_exhausted",
      detail: "the bundle store is full",
    });
  });

  test("of other bytes than the digest says is refused", async () => {
    const answer = await send(Buffer.alloc(bytes.length, "other"), 0);
    expect(answer.json).toMatchObject({ status: 400, code: "BUNDLE_DIGEST_MISMATCH" });
  });

  test.each([
    ["without its length", { "upload-offset": "0" }, "upload-length"],
    ["beyond its length", { "upload-offset": "11", "upload-length": "10" }, "upload-offset"],
    ["larger than 2 GiB", { "upload-offset": "0", "upload-length": "2147483649" }, "upload-length"],
  ])("%s is refused before config-resolver is asked", async (_what, headers, field) => {
    const answer = await world.api.call("PATCH", `/v1/bundles/${digest}`, { token: world.adminToken, bytes, headers });
    expect(answer.json).toMatchObject({ code: "REQUEST_INVALID", errors: [{ field }] });
    expect(world.configResolver.receivedBytes).toBe(0);
  });

  test("of another content type is refused", async () => {
    const answer = await world.api.call("PATCH", `/v1/bundles/${digest}`, {
      token: world.adminToken,
      body: { not: "bytes" },
      headers: { "upload-offset": "0", "upload-length": "10" },
    });
    expect(answer.json).toMatchObject({ status: 415, code: "MEDIA_TYPE_UNSUPPORTED" });
    expect(world.configResolver.receivedBytes).toBe(0);
  });

  test("is held back while config-resolver is slow, and never kept in memory", async () => {
    const totalBytes = 256 * 1024 * 1024;
    const chunk = Buffer.alloc(1024 * 1024, "x");
    const release = Promise.withResolvers<void>();
    const started = once(world.configResolver.events, "start");
    world.configResolver.hold = release.promise;
    let sent = 0;
    const source = new Readable({
      read() {
        sent += chunk.length;
        this.push(sent > totalBytes ? null : chunk);
      },
    });
    const stop = new AbortController();
    const upload = world.api
      .open("PATCH", `/v1/bundles/${digest}`, {
        token: world.adminToken,
        bytes: source,
        headers: { "upload-offset": "0", "upload-length": String(totalBytes) },
        signal: stop.signal,
      })
      .catch((error: unknown) => error);
    await started;
    let seen = -1;
    while (seen !== sent) {
      seen = sent;
      await probe(); // gives every loop several turns
    }
    expect(sent).toBeLessThan(32 * 1024 * 1024); // socket buffers, not the bundle
    const aborted = once(world.configResolver.events, "aborted");
    stop.abort();
    release.resolve();
    world.configResolver.hold = undefined;
    await Promise.all([upload, aborted]);
  });

  test("ends at config-resolver when the client goes away, and what arrived stays", async () => {
    const started = once(world.configResolver.events, "start");
    const aborted = once(world.configResolver.events, "aborted");
    const stop = new AbortController();
    const source = new Readable({ read: () => undefined });
    source.push(bytes.subarray(0, 50_000));
    const upload = world.api
      .open("PATCH", `/v1/bundles/${digest}`, {
        token: world.adminToken,
        bytes: source,
        headers: { "upload-offset": "0", "upload-length": String(bytes.length) },
        signal: stop.signal,
      })
      .catch((error: unknown) => error);
    await started;
    await expect.poll(() => world.configResolver.receivedBytes).toBe(50_000);
    stop.abort();
    await aborted;
    await upload;
    expect((await probe()).headers["upload-offset"]).toBe("50000");
    await expect
      .poll(async () => (await world.api.call("GET", "/v1/audit?limit=1", { token: world.adminToken })).json.items[0])
      .toMatchObject({ action: "bundle.upload", target: digest, result: "failed" });
  });

  test("while config-resolver is away is refused with the time to come back", async () => {
    await world.stopPeer("config-resolver");
    try {
      const answer = await send(bytes, 0);
      expect(answer.json).toMatchObject({
        status: 503,
        code: "PEER_UNAVAILABLE",
        details: { service: "config-resolver" },
      });
      expect(answer.headers["retry-after"]).toBe("2");
    } finally {
      await world.startPeer("config-resolver");
    }
  });
});
