import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "@drawbridge/lifecycle";
import type { ArtefactDigest } from "../src/domain/artefact-digest.ts";
import { createConfigurations } from "../src/domain/configurations.ts";
import { createConfigurationRepository } from "../src/store/configuration-repository.ts";
import type { ConfigResolverDatabase } from "../src/store/database.ts";
import { createDigestKey } from "../src/store/digest-key.ts";
import { rewrapKeys, type RewrapProgress } from "../src/store/rewrap-keys.ts";

const forever = new AbortController().signal;
const suite = new AsyncDisposableStack();
const postgres = suite.use(await startTestPostgres());
let store: Store<ConfigResolverDatabase>;
afterAll(() => suite.disposeAsync());
beforeEach(async () => {
  const migrations = fileURLToPath(new URL("../migrations", import.meta.url));
  const database = suite.use(await postgres.createDatabase({ schema: "config_resolver", migrations }));
  store = openStore({ url: database.url, schema: "config_resolver", logger: createTestLogger().logger });
  await store.start(forever);
  const opened = store;
  suite.defer(() => opened.stop(forever));
});

const [oldKey, newKey] = [randomBytes(32).toString("base64url"), randomBytes(32).toString("base64url")];
const before = parseKeyEncryptionKeys(oldKey);
const both = parseKeyEncryptionKeys(`${newKey}\n${oldKey}`);
const after = parseKeyEncryptionKeys(newKey);

/** A running service with these keys. */
async function aService(keks: typeof before) {
  const digestKey = createDigestKey({ store, keks, clock: systemClock });
  await digestKey.start(forever);
  const repository = createConfigurationRepository(store);
  return createConfigurations({ repository, keks, digestKey: () => digestKey.get(), clock: systemClock });
}
const document = (value: string) => ({ properties: {}, secureProperties: { PIN: value }, sealedProperties: {} });

async function put(service: Awaited<ReturnType<typeof aService>>, count: number) {
  const digests: ArtefactDigest[] = [];
  for (let n = 0; n < count; n += 1) digests.push((await service.put("acme", document(String(n)))).digest);
  return digests;
}
const rewrap = (keks: typeof before, options: { batchSize?: number; onProgress?: (of: RewrapProgress) => void } = {}) =>
  rewrapKeys({ store, keks, onProgress: () => undefined, onDamaged: () => undefined, ...options });

test("after it the previous key is no longer needed: documents open, names stay", async () => {
  const digests = await put(await aService(before), 5);
  const progress: RewrapProgress[] = [];
  expect(await rewrap(both, { batchSize: 2, onProgress: (of) => progress.push(of) })).toEqual({
    rewrapped: 6,
    left: 0,
  });
  expect(progress).toEqual([
    { rewrapped: 3, left: 3 },
    { rewrapped: 5, left: 1 },
    { rewrapped: 6, left: 0 },
  ]);
  const service = await aService(after);
  for (const [n, digest] of digests.entries()) {
    expect(JSON.parse(String(await service.read(digest)))).toEqual(document(String(n)));
  }
  expect(await put(service, 5)).toEqual(digests);
  await expect(aService(before)).rejects.toMatchObject({ code: "KEY_ENCRYPTION_KEY_WRONG" });
  expect(await rewrap(after)).toEqual({ rewrapped: 0, left: 0 });
});

test("a service with both keys reads what is under either, during the whole run", async () => {
  const digests = await put(await aService(before), 3);
  const running = await aService(both);
  await rewrap(both, { batchSize: 1, onProgress: () => undefined });
  for (const digest of digests) expect(await running.read(digest)).toBeDefined();
});

test("broken off and started again, it goes on with what is left", async () => {
  await put(await aService(before), 5);
  const breakOff = () => {
    throw new Error("killed");
  };
  await expect(rewrap(both, { batchSize: 2, onProgress: breakOff })).rejects.toThrow("killed");
  expect(await rewrap(both, { batchSize: 2 })).toEqual({ rewrapped: 3, left: 0 });
});

test("keys that cannot be opened are named, stay as they are, and are not passed off as done", async () => {
  const digests = await put(await aService(before), 3);
  const damaged = digests[1] ?? "";
  await store.db
    .updateTable("configuration")
    .set({ wrapped_key: randomBytes(60) })
    .where("digest", "=", damaged)
    .execute();
  const reported: string[] = [];
  await expect(
    rewrapKeys({ store, keks: both, onProgress: () => undefined, onDamaged: (digest) => reported.push(digest) }),
  ).rejects.toMatchObject({ code: "REWRAP_INCOMPLETE", message: expect.stringContaining(before.current.id) as string });
  expect(reported).toEqual([damaged]);
});

test("refuses to begin without the key that the database was written with", async () => {
  await put(await aService(before), 1);
  await expect(rewrap(after)).rejects.toMatchObject({ code: "KEY_ENCRYPTION_KEY_WRONG" });
});
