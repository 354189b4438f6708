import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openStore, sql } from "@drawbridge/store";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aBundle, type TestBundle } from "./support/bundles.ts";
import { startEnvironment, type Environment, type ResolverProcess } from "./support/environment.ts";
import { codeOf, open, send } from "./support/http.ts";

const suite = new AsyncDisposableStack();
let environment: Environment;
let one: ResolverProcess;
let two: ResolverProcess;
beforeAll(async () => {
  environment = suite.use(await startEnvironment());
  [one, two] = await Promise.all([environment.start(), environment.start()]);
  suite.defer(() => two[Symbol.asyncDispose]());
});
afterAll(() => suite.disposeAsync());

const partialOf = (bundle: TestBundle) => join(environment.blobDir, "partial", bundle.digest.slice(7));
const storedOf = ({ digest }: TestBundle) => join(environment.blobDir, "sha256", digest.slice(7, 9), digest.slice(7));
const patchCall = (
  resolver: ResolverProcess,
  bundle: TestBundle,
  offset: number,
  body: Uint8Array | AsyncIterable<Uint8Array> = bundle.bytes.subarray(offset),
) => ({
  identity: environment.managementApi,
  port: resolver.ports.upload,
  method: "PATCH",
  path: bundle.path,
  headers: { "upload-offset": offset, "upload-length": bundle.bytes.byteLength },
  body,
});
const partialSize = async (bundle: TestBundle) => (await stat(partialOf(bundle)).catch(() => undefined))?.size;

/** Sends so much and then stands still until it is told to go on. */
function haltAt(bundle: TestBundle, position: number) {
  const gate = Promise.withResolvers<void>();
  async function* body() {
    yield bundle.bytes.subarray(0, position);
    await gate.promise;
    yield bundle.bytes.subarray(position);
  }
  return { body: body(), goOn: gate.resolve };
}

test("two replicas on one folder take parts of one bundle one after the other, and both give it away", async () => {
  const bundle = await aBundle(environment.folder, { sizeBytes: 200_000 });
  const { body, goOn } = haltAt(bundle, 100_000);
  const first = await open(patchCall(one, bundle, 0, body));
  while ((await partialSize(bundle)) !== 100_000) await pause(5);
  const second = send(patchCall(two, bundle, 100_000));
  expect(await Promise.race([second.then(() => "answered"), pause(1_000, "waits")])).toBe("waits");
  goOn();
  expect((await first.answered).statusCode).toBe(201);
  expect((await second).status).toBe(201);
  const stored = await readFile(storedOf(bundle));
  expect(`sha256:${createHash("sha256").update(stored).digest("hex")}`).toBe(bundle.digest);
  environment.peers.deployed.add(`${environment.fabricId} ${bundle.digest}`);
  for (const { ports } of [one, two]) {
    const answer = await send({ identity: environment.agent, port: ports.fabric, method: "GET", path: bundle.path });
    expect(answer.body.equals(bundle.bytes)).toBe(true);
  }
});

test("a replica that loses its database session writes nothing more, and takes uploads again with a new one", async () => {
  const bundle = await aBundle(environment.folder, { sizeBytes: 200_000 });
  const { body, goOn } = haltAt(bundle, 100_000);
  const broken = await open(patchCall(one, bundle, 0, body));
  while ((await partialSize(bundle)) !== 100_000) await pause(5);
  const { logger } = createTestLogger();
  await using store = Object.assign(openStore({ url: environment.adminUrl, schema: "config_resolver", logger }), {
    [Symbol.asyncDispose]: () => store.stop(AbortSignal.timeout(5_000)),
  });
  await store.start(AbortSignal.timeout(240_000));
  await sql`
    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()`.execute(
    store.db,
  );
  while (!one.output().includes("the locks are lost")) await pause(5);
  goOn();
  expect((await broken.answered).statusCode).toBe(503);
  expect(await partialSize(bundle)).toBe(100_000);
  let answer = await send(patchCall(one, bundle, 100_000));
  while (answer.status === 503) {
    expect(codeOf(answer)).toBe("BLOB_LOCK_UNAVAILABLE");
    await pause(50);
    answer = await send(patchCall(one, bundle, 100_000));
  }
  expect(answer.status).toBe(201);
});

test("an upload goes on at another replica when the one that took it is killed", async () => {
  const bundle = await aBundle(environment.folder, { sizeBytes: 200_000 });
  const { body } = haltAt(bundle, 100_000);
  const broken = await open(patchCall(one, bundle, 0, body));
  while ((await partialSize(bundle)) !== 100_000) await pause(5);
  await one.kill();
  broken.outgoing.destroy();
  expect((await send(patchCall(two, bundle, 100_000))).status).toBe(201);
});
