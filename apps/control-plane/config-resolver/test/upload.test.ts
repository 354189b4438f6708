import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aBundle, notABundle, withoutManifest, withPath, type TestBundle } from "./support/bundles.ts";
import { startEnvironment, type Environment, type ResolverProcess } from "./support/environment.ts";
import { codeOf, open, send, type Answer } from "./support/http.ts";

let environment: Environment;
let resolver: ResolverProcess;
beforeAll(async () => {
  environment = await startEnvironment();
  resolver = await environment.start();
});
afterAll(async () => {
  await resolver[Symbol.asyncDispose]();
  await environment[Symbol.asyncDispose]();
});

const partialOf = (bundle: TestBundle) => join(environment.blobDir, "partial", bundle.digest.slice(7));
const storedOf = ({ digest }: TestBundle) => join(environment.blobDir, "sha256", digest.slice(7, 9), digest.slice(7));
const exists = (path: string) => stat(path).then(Boolean, () => false);

function patchCall(
  bundle: TestBundle,
  from: number,
  to: number,
  body: Uint8Array | AsyncIterable<Uint8Array> = bundle.bytes.subarray(from, to),
) {
  return {
    identity: environment.managementApi,
    port: resolver.ports.upload,
    method: "PATCH",
    path: bundle.path,
    headers: {
      "upload-offset": from,
      "upload-length": bundle.bytes.byteLength,
      "content-type": "application/octet-stream",
    },
    body,
  };
}
const patch = (bundle: TestBundle, from = 0, to = bundle.bytes.byteLength) => send(patchCall(bundle, from, to));
const probe = (bundle: TestBundle, method = "HEAD"): Promise<Answer> =>
  send({ identity: environment.managementApi, port: resolver.ports.upload, method, path: bundle.path });

test("stores a bundle that comes in one piece, and describes it", async () => {
  const bundle = await aBundle(environment.folder);
  expect(await probe(bundle)).toMatchObject({ status: 404, headers: { "upload-offset": "0" } });
  expect(await patch(bundle)).toMatchObject({
    status: 201,
    headers: { "upload-offset": String(bundle.bytes.byteLength) },
  });
  expect(await probe(bundle)).toMatchObject({
    status: 200,
    headers: { "content-length": String(bundle.bytes.byteLength) },
  });
  const described = await probe(bundle, "GET");
  expect(JSON.parse(described.body.toString())).toMatchObject({
    digest: bundle.digest,
    sizeBytes: bundle.bytes.byteLength,
    name: "sample",
    version: "1.2.3",
    manifest: { runtime: { command: ["node", "server.mjs"] } },
  });
  expect((await readFile(storedOf(bundle))).equals(bundle.bytes)).toBe(true);
  expect((await stat(storedOf(bundle))).mode & 0o777).toBe(0o400);
  expect(await exists(partialOf(bundle))).toBe(false);
});

test("takes a bundle in pieces and says after each where to go on", async () => {
  const bundle = await aBundle(environment.folder);
  expect(await patch(bundle, 0, 4_000)).toMatchObject({ status: 204, headers: { "upload-offset": "4000" } });
  expect(await probe(bundle)).toMatchObject({ status: 404, headers: { "upload-offset": "4000" } });
  expect((await probe(bundle, "GET")).status).toBe(404);
  expect(await patch(bundle, 4_000, 4_001)).toMatchObject({ status: 204 });
  expect(await patch(bundle, 4_001)).toMatchObject({ status: 201 });
});

test("refuses a wrong offset with the right one", async () => {
  const bundle = await aBundle(environment.folder);
  await patch(bundle, 0, 4_000);
  for (const from of [0, 3_999, 4_001]) {
    const answer = await patch(bundle, from);
    expect(answer).toMatchObject({
      status: 409,
      headers: { "upload-offset": "4000", "content-type": "application/problem+json; charset=utf-8" },
    });
    expect(codeOf(answer)).toBe("UPLOAD_OFFSET_MISMATCH");
  }
  expect(await patch(bundle, 4_000)).toMatchObject({ status: 201 });
});

test("an upload that exists already is done, however often and from wherever it is repeated", async () => {
  const bundle = await aBundle(environment.folder);
  await patch(bundle);
  expect(await patch(bundle)).toMatchObject({ status: 201 });
  expect(await patch(bundle, 5_000)).toMatchObject({ status: 201 });
});

test("concurrent uploads of one bundle come one after the other: one stores it, nothing is mixed", async () => {
  const bundle = await aBundle(environment.folder, { sizeBytes: 300_000 });
  async function* slowly() {
    for (let at = 0; at < bundle.bytes.byteLength; at += 50_000) {
      yield bundle.bytes.subarray(at, at + 50_000);
      await pause(5);
    }
  }
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => send(patchCall(bundle, 0, bundle.bytes.byteLength, slowly()))),
  );
  expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 201));
  expect(
    createHash("sha256")
      .update(await readFile(storedOf(bundle)))
      .digest("hex"),
  ).toBe(bundle.digest.slice(7));
});

test("keeps what came of an upload that broke off", async () => {
  const bundle = await aBundle(environment.folder, { sizeBytes: 200_000 });
  const arrived = Promise.withResolvers<void>();
  async function* halfOfIt() {
    yield bundle.bytes.subarray(0, 100_000);
    await arrived.promise;
    throw new Error("the sender is gone");
  }
  const { sent } = await open(patchCall(bundle, 0, bundle.bytes.byteLength, halfOfIt()));
  while ((await stat(partialOf(bundle)).catch(() => undefined))?.size !== 100_000) await pause(5);
  arrived.resolve();
  await sent;
  // The next one waits until the broken one has let go.
  expect(await patch(bundle, 100_000)).toMatchObject({ status: 201 });
});

test("a partial upload survives kill -9 of the service and goes on where it was", async () => {
  const bundle = await aBundle(environment.folder, { sizeBytes: 200_000 });
  await patch(bundle, 0, 50_000);
  async function* more() {
    yield bundle.bytes.subarray(50_000, 120_000);
    await new Promise(() => undefined); // and then stands still
  }
  const { outgoing } = await open(patchCall(bundle, 50_000, bundle.bytes.byteLength, more()));
  while ((await stat(partialOf(bundle))).size !== 120_000) await pause(5);
  await resolver.kill();
  outgoing.destroy();
  resolver = await environment.start();
  expect(await probe(bundle)).toMatchObject({ status: 404, headers: { "upload-offset": "120000" } });
  expect(await patch(bundle, 120_000)).toMatchObject({ status: 201 });
});

test("a bundle whose bytes are stored but not recorded is recorded by the next call", async () => {
  const bundle = await aBundle(environment.folder);
  await mkdir(join(storedOf(bundle), ".."), { recursive: true });
  await writeFile(storedOf(bundle), bundle.bytes);
  const size = bundle.bytes.byteLength;
  expect(await probe(bundle)).toMatchObject({ status: 404, headers: { "upload-offset": String(size) } });
  expect(await patch(bundle, size)).toMatchObject({ status: 201 });
  expect(await probe(bundle)).toMatchObject({ status: 200 });
});

test.each<[string, (good: TestBundle) => TestBundle, string]>([
  ["path traversal", (good) => withPath(good, "data.bin", "../../evil"), "BUNDLE_PATH_TRAVERSAL"],
  ["an absolute path", (good) => withPath(good, "data.bin", "/etc/cron.d/evil"), "BUNDLE_PATH_TRAVERSAL"],
  ["no manifest", withoutManifest, "BUNDLE_MANIFEST_MISSING"],
  ["no archive at all", notABundle, "BUNDLE_MALFORMED"],
  [
    "another digest",
    (good) => ({ ...good, digest: `sha256:${"0".repeat(64)}`, path: `/v1/bundles/sha256:${"0".repeat(64)}` }),
    "BUNDLE_DIGEST_MISMATCH",
  ],
])("refuses a bundle with %s by its own code, and deletes what was sent", async (_what, make, code) => {
  const bundle = make(await aBundle(environment.folder));
  await patch(bundle, 0, 10);
  const answer = await patch(bundle, 10);
  expect(answer.status).toBe(400);
  expect(codeOf(answer)).toBe(code);
  expect(await exists(partialOf(bundle))).toBe(false);
  expect(await exists(storedOf(bundle))).toBe(false);
  expect(await probe(bundle)).toMatchObject({ status: 404, headers: { "upload-offset": "0" } });
});

test("an answer that comes before the end of the body arrives, however large the rest", async () => {
  const bundle = await aBundle(environment.folder, { sizeBytes: 20_000_000 });
  await patch(bundle, 0, 1_000);
  for (let count = 0; count < 5; count += 1) expect((await patch(bundle)).status).toBe(409);
  await patch(bundle, 1_000);
  for (let count = 0; count < 5; count += 1) expect((await patch(bundle)).status).toBe(201);
});

test("refuses more bytes than announced and keeps those that were", async () => {
  const bundle = await aBundle(environment.folder);
  const tooMany = Buffer.concat([bundle.bytes, Buffer.alloc(30_000_000)]); // far more than fits into the buffers on the way
  const answer = await send(patchCall(bundle, 0, 0, tooMany));
  expect(codeOf(answer)).toBe("UPLOAD_TOO_LONG");
  expect(await patch(bundle, bundle.bytes.byteLength)).toMatchObject({ status: 201 });
});

test.each([
  ["a length over 2 GiB", { "upload-offset": 0, "upload-length": 2 ** 31 + 1 }],
  ["no length", { "upload-offset": 0 }],
  ["a negative offset", { "upload-offset": -1, "upload-length": 10 }],
  ["an offset in words", { "upload-offset": "ten", "upload-length": 10 }],
])("refuses %s", async (_what, headers) => {
  const bundle = await aBundle(environment.folder);
  const answer = await send({ ...patchCall(bundle, 0, 10), headers });
  expect([answer.status, codeOf(answer)]).toEqual([400, "UPLOAD_HEADERS_INVALID"]);
});

test.each(["md5:abc", "sha256:abc", `sha256:${"A".repeat(64)}`, "sha256:..%2f..%2fetc%2fpasswd"])(
  "refuses %s as a digest",
  async (digest) => {
    const answer = await probe({ ...(await aBundle(environment.folder)), path: `/v1/bundles/${digest}` }, "GET");
    expect([answer.status, codeOf(answer)]).toEqual([400, "DIGEST_INVALID"]);
  },
);

test("only management-api may upload: other services and agents are refused", async () => {
  const bundle = await aBundle(environment.folder);
  for (const identity of [environment.agent, await environment.ca.issueService("runtime-manager")]) {
    const answer = await send({ ...patchCall(bundle, 0, 10), identity });
    expect([answer.status, codeOf(answer)]).toEqual([403, "CALLER_NOT_ALLOWED"]);
  }
  expect(await exists(partialOf(bundle))).toBe(false);
});

test("an upload that stands still is cut off, and what came is kept", async () => {
  await using impatient = await environment.start({ env: { DRAWBRIDGE_UPLOAD_IDLE_SECONDS: "1" } });
  const bundle = await aBundle(environment.folder);
  async function* stuck() {
    yield bundle.bytes.subarray(0, 3_000);
    await new Promise(() => undefined);
  }
  const { answered } = await open({
    ...patchCall(bundle, 0, bundle.bytes.byteLength, stuck()),
    port: impatient.ports.upload,
  });
  await expect(answered).rejects.toThrow();
  expect(await probe(bundle)).toMatchObject({ headers: { "upload-offset": "3000" } });
});

test("partial uploads that nobody went on with for 24 h are removed, younger ones stay", async () => {
  const [old, young] = [await aBundle(environment.folder), await aBundle(environment.folder)];
  await patch(old, 0, 100);
  await patch(young, 0, 100);
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000);
  await utimes(partialOf(old), hoursAgo(24.1), hoursAgo(24.1));
  await utimes(partialOf(young), hoursAgo(23.9), hoursAgo(23.9));
  await using _second = await environment.start(); // cleans up at its start
  while (await exists(partialOf(old))) await pause(5);
  expect(await exists(partialOf(young))).toBe(true);
  expect(await readdir(join(environment.blobDir, "partial"))).toContain(young.digest.slice(7));
});
