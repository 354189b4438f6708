import { randomUUID } from "node:crypto";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ConfigurationServiceClient } from "@drawbridge/contracts/config/v1/configuration_service";
import { IdentityHolder } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { openStore, sql, type Store } from "@drawbridge/store";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aBundle, type TestBundle } from "./support/bundles.ts";
import { startEnvironment, type Environment, type ResolverProcess } from "./support/environment.ts";
import { metricsOf, open, send, type Answer } from "./support/http.ts";

const forever = new AbortController().signal;
const suite = new AsyncDisposableStack();
let environment: Environment;
/** The tables themselves, to put rows back in time and to hold them. */
let store: Store<Record<string, never>>;
beforeAll(async () => {
  environment = suite.use(await startEnvironment());
  const { logger } = createTestLogger();
  store = openStore({ url: environment.adminUrl, schema: "config_resolver", logger });
  await store.start(forever);
  suite.defer(() => store.stop(forever));
});
afterAll(() => suite.disposeAsync());

const storedOf = ({ digest }: TestBundle) => join(environment.blobDir, "sha256", digest.slice(7, 9), digest.slice(7));
const exists = (path: string) => stat(path).then(Boolean, () => false);

async function upload(resolver: ResolverProcess, bundle: TestBundle, offset = 0): Promise<Answer> {
  return send({
    identity: environment.managementApi,
    port: resolver.ports.upload,
    method: "PATCH",
    path: bundle.path,
    headers: { "upload-offset": offset, "upload-length": bundle.bytes.byteLength },
    body: bundle.bytes.subarray(offset),
  });
}

const head = (resolver: ResolverProcess, bundle: TestBundle): Promise<Answer> =>
  send({ identity: environment.managementApi, port: resolver.ports.upload, method: "HEAD", path: bundle.path });

async function aStored(): Promise<TestBundle> {
  const bundle = await aBundle(environment.folder);
  await using resolver = await environment.start();
  expect((await upload(resolver, bundle)).status).toBe(201);
  return bundle;
}

async function putConfiguration(resolver: ResolverProcess, properties: Record<string, string>): Promise<string> {
  const client = createGrpcClient(ConfigurationServiceClient, {
    address: `127.0.0.1:${resolver.ports.internal}`,
    identity: new IdentityHolder(environment.managementApi),
    expectedServer: "/cp/config-resolver",
    logger: createTestLogger().logger,
  });
  try {
    const request = { org: "acme", properties, secureProperties: {}, sealedProperties: {} };
    return (await client.call.putConfiguration(request)).digest;
  } finally {
    await client.stop(forever);
  }
}

/** As if nobody had referred to it for so long. */
const ageBundle = (digest: string, hours: number) =>
  sql`UPDATE bundle SET unreferenced_since = now() - make_interval(hours => ${hours}) WHERE digest = ${digest}`.execute(
    store.db,
  );
const ageConfiguration = (digest: string, hours: number) =>
  sql`UPDATE configuration SET unreferenced_since = now() - make_interval(hours => ${hours}) WHERE digest = ${digest}`.execute(
    store.db,
  );

interface BundleRow {
  readonly unreferenced_since: Date | null;
  readonly removing_since: Date | null;
}
async function rowOf(digest: string): Promise<BundleRow | undefined> {
  const { rows } = await sql<BundleRow>`
    SELECT unreferenced_since, removing_since FROM bundle WHERE digest = ${digest}`.execute(store.db);
  return rows[0];
}
async function hasConfiguration(digest: string): Promise<boolean> {
  const { rows } = await sql`SELECT FROM configuration WHERE digest = ${digest}`.execute(store.db);
  return rows.length > 0;
}
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await pause(10);
}
/** A pass is over when the folder was measured. */
async function startAndCollect(): Promise<ResolverProcess> {
  const resolver = await environment.start();
  // Measured at the end of a pass, also of one that broke off.
  await until(async () => /blob_disk_bytes\S* \d/.test(await metricsOf(resolver.ports.ops)));
  expect(resolver.output()).not.toContain("garbage collection broke off");
  return resolver;
}

test("a bundle and a configuration that no app refers to go after the grace period, and it is counted", async () => {
  const bundle = await aStored();
  let configuration: string;
  {
    await using resolver = await environment.start();
    configuration = await putConfiguration(resolver, { A: randomUUID() });
  }
  await ageBundle(bundle.digest, 168);
  await ageConfiguration(configuration, 168);
  await using resolver = await startAndCollect();
  expect(await rowOf(bundle.digest)).toBe(undefined);
  expect(await exists(storedOf(bundle))).toBe(false);
  expect(await hasConfiguration(configuration)).toBe(false);
  const metrics = await metricsOf(resolver.ports.ops);
  expect(metrics).toMatch(/config_resolver_garbage_removed\w*\{[^}]*kind="bundle"[^}]*\} 1\b/);
  expect(metrics).toMatch(
    new RegExp(`garbage_freed_bytes\\w*\\{[^}]*kind="bundle"[^}]*\\} ${bundle.bytes.byteLength}\\b`),
  );
  expect(await head(resolver, bundle)).toMatchObject({ status: 404, headers: { "upload-offset": "0" } });
  expect((await upload(resolver, bundle)).status).toBe(201);
});

test("what an app refers to stays, and its time begins anew when it no longer does", async () => {
  const bundle = await aStored();
  environment.peers.referenced.add(bundle.digest);
  await ageBundle(bundle.digest, 1_000);
  {
    await using _resolver = await startAndCollect();
    expect(await rowOf(bundle.digest)).toEqual({ unreferenced_since: null, removing_since: null });
  }
  environment.peers.referenced.delete(bundle.digest);
  await using _resolver = await startAndCollect();
  expect(await rowOf(bundle.digest)).toEqual({ unreferenced_since: expect.any(Date), removing_since: null });
  expect(await exists(storedOf(bundle))).toBe(true);
});

test("what is younger than the grace period stays", async () => {
  const bundle = await aStored();
  await ageBundle(bundle.digest, 167);
  await using _resolver = await startAndCollect();
  expect(await exists(storedOf(bundle))).toBe(true);
});

test("asking for it before a deployment begins its time anew, and so does putting the same configuration", async () => {
  const bundle = await aStored();
  await using resolver = await startAndCollect();
  const configuration = await putConfiguration(resolver, { SAME: "1" });
  await ageBundle(bundle.digest, 1_000);
  await ageConfiguration(configuration, 1_000);
  expect((await head(resolver, bundle)).status).toBe(200);
  expect(await putConfiguration(resolver, { SAME: "1" })).toBe(configuration);
  expect((await rowOf(bundle.digest))?.unreferenced_since).toBe(null);
  await using _second = await startAndCollect();
  expect(await exists(storedOf(bundle))).toBe(true);
  expect(await hasConfiguration(configuration)).toBe(true);
});

test("killed between the mark and the file: it is not found, an upload takes it back and nothing is lost", async () => {
  const bundle = await aStored();
  await ageBundle(bundle.digest, 1_000);
  const name = `drawbridge config-resolver ${bundle.digest}`;
  const doomed = await store.db.connection().execute(async (session) => {
    await sql`SELECT pg_advisory_lock(hashtextextended(${name}, 0))`.execute(session); // somebody else has its turn
    const resolver = await environment.start();
    await until(async () => (await rowOf(bundle.digest))?.removing_since !== null);
    await resolver.kill();
    await sql`SELECT pg_advisory_unlock_all()`.execute(session);
    return resolver;
  });
  expect(doomed.output()).not.toContain("garbage removed");
  expect(await exists(storedOf(bundle))).toBe(true);
  // Before the next process comes to it, somebody uploads the bundle again.
  await sql`UPDATE bundle SET removing_since = now() WHERE digest = ${bundle.digest}`.execute(store.db);
  await using held = await holdLock(bundle.digest);
  await using resolver = await environment.start();
  expect(await head(resolver, bundle)).toMatchObject({
    status: 404,
    headers: { "upload-offset": String(bundle.bytes.byteLength) },
  });
  const again = upload(resolver, bundle, bundle.bytes.byteLength);
  await held.release();
  expect((await again).status).toBe(201);
  expect(await rowOf(bundle.digest)).toEqual({ unreferenced_since: null, removing_since: null });
  expect((await head(resolver, bundle)).status).toBe(200);
});

async function holdLock(digest: string) {
  const released = Promise.withResolvers<void>();
  const isHeld = Promise.withResolvers<void>();
  const name = `drawbridge config-resolver ${digest}`;
  const done = store.db.connection().execute(async (session) => {
    await sql`SELECT pg_advisory_lock(hashtextextended(${name}, 0))`.execute(session);
    isHeld.resolve();
    await released.promise;
    await sql`SELECT pg_advisory_unlock_all()`.execute(session);
  });
  await isHeld.promise;
  const release = (): Promise<void> => {
    released.resolve();
    return done;
  };
  return { release, [Symbol.asyncDispose]: release };
}

test("killed between the file and the row: nobody is told that it exists, and the next pass goes on", async () => {
  const bundle = await aStored();
  await sql`UPDATE bundle SET removing_since = now(), unreferenced_since = now() WHERE digest = ${bundle.digest}`.execute(
    store.db,
  );
  const gate = Promise.withResolvers<void>();
  const isLocked = Promise.withResolvers<void>();
  const holder = store.transaction(async (tx) => {
    await sql`SELECT FROM bundle WHERE digest = ${bundle.digest} FOR UPDATE`.execute(tx); // the row cannot be deleted
    isLocked.resolve();
    await gate.promise;
  });
  await isLocked.promise;
  const doomed = await environment.start();
  await until(async () => !(await exists(storedOf(bundle))));
  await doomed.kill();
  // Its server side still waits for the row, and would delete it after all.
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'delete from "bundle"%'`.execute(
    store.db,
  );
  gate.resolve();
  await holder;
  expect((await rowOf(bundle.digest))?.removing_since).toBeInstanceOf(Date);
  await using resolver = await startAndCollect();
  expect(await rowOf(bundle.digest)).toBe(undefined);
  expect(await head(resolver, bundle)).toMatchObject({ status: 404, headers: { "upload-offset": "0" } });
  expect((await upload(resolver, bundle)).status).toBe(201);
});

test("a reader in another replica gets all of a bundle that is removed under it", async () => {
  const bundle = await aBundle(environment.folder, { sizeBytes: 30_000_000 }); // more than fits into the buffers on the way
  await using resolver = await startAndCollect();
  expect((await upload(resolver, bundle)).status).toBe(201);
  environment.peers.deployed.add(`${environment.fabricId} ${bundle.digest}`);
  const reading = await open({
    identity: environment.agent,
    port: resolver.ports.fabric,
    method: "GET",
    path: bundle.path,
  });
  const answer = await reading.answered; // and not a byte is taken
  await ageBundle(bundle.digest, 1_000);
  await using _other = await startAndCollect(); // another replica, which cannot know of the reader
  expect(await exists(storedOf(bundle))).toBe(false);
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer); // no encoding is set
  expect(Buffer.concat(chunks).equals(bundle.bytes)).toBe(true);
});

test("a file without a record goes once it was seen so for the grace period, others in the folder stay", async () => {
  const bundle = await aBundle(environment.folder);
  await mkdir(join(storedOf(bundle), ".."), { recursive: true });
  await writeFile(storedOf(bundle), bundle.bytes);
  const foreign = join(environment.blobDir, "sha256", "README");
  await writeFile(foreign, "not ours");
  {
    await using _resolver = await startAndCollect();
    expect(await exists(storedOf(bundle))).toBe(true);
  }
  await sql`UPDATE unrecorded_blob SET first_seen_at = now() - interval '168 hours'`.execute(store.db);
  await using _resolver = await startAndCollect();
  expect(await exists(storedOf(bundle))).toBe(false);
  expect(await exists(foreign)).toBe(true);
});

test("nothing is removed without the word of runtime-manager", async () => {
  const bundle = await aStored();
  await ageBundle(bundle.digest, 1_000);
  await environment.peers.stopRuntimeManager();
  await using resolver = await environment.start();
  await until(() => resolver.output().includes("garbage collection broke off"));
  expect(await exists(storedOf(bundle))).toBe(true);
  expect((await rowOf(bundle.digest))?.removing_since).toBe(null);
});
