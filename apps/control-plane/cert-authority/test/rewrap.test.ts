import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, startTestNats, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeEach, beforeAll, expect, test } from "vitest";
import { rewrapCaKeys } from "../src/store/rewrap-ca-keys.ts";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import {
  agentRequest,
  bootstrap,
  createFiles,
  getPublic,
  migrations,
  startAuthority,
  type Backing,
  type Files,
} from "./harness.ts";

const suite = new AsyncDisposableStack();
const [oldKey, newKey] = [randomBytes(32).toString("base64url"), randomBytes(32).toString("base64url")];
const [before, both, after] = [oldKey, `${newKey}\n${oldKey}`, newKey].map(parseKeyEncryptionKeys);
if (!before || !both || !after) throw new Error("three files make three sets of keys");
let postgres: Awaited<ReturnType<typeof startTestPostgres>>;
let nats: Awaited<ReturnType<typeof startTestNats>>;
let backing: Backing;
let files: Files;
let store: Store<CertAuthorityDb>;

beforeAll(async () => {
  postgres = suite.use(await startTestPostgres());
  nats = suite.use(await startTestNats());
}, 120_000);
afterAll(() => suite.disposeAsync(), 60_000);

beforeEach(async () => {
  const database = suite.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  backing = { databaseUrl: database.url, nats };
  files = suite.use(await createFiles(backing));
  await giveKeys(oldKey);
  await bootstrap(files);
  const opened = openStore<CertAuthorityDb>({
    url: database.url,
    schema: "cert_authority",
    logger: createTestLogger().logger,
  });
  await opened.start(AbortSignal.timeout(240_000));
  suite.defer(() => opened.stop(AbortSignal.timeout(5_000)));
  store = opened;
}, 60_000);

/** Write the file of the key encryption keys. */
const giveKeys = (...lines: readonly string[]) => writeFile(files.path("kek"), `${lines.join("\n")}\n`);

async function sealedUnder() {
  const rows = await store.db.selectFrom("ca_key").select(["seal_key_id", "sealed_private_key"]).execute();
  return { ids: new Set(rows.map((row) => row.seal_key_id)), sealed: rows.map((row) => row.sealed_private_key) };
}

async function issueAndRead(authority: Awaited<ReturnType<typeof startAuthority>>): Promise<void> {
  const activation = await authority.clientOf("activation");
  expect((await activation.issueFabricCertificate(await agentRequest())).certificate).toBeDefined();
  expect((await getPublic(authority, "/v1/crl")).status).toBe(200);
}

test("the key is changed beside a running service, and the old one is not needed afterwards", async () => {
  await giveKeys(oldKey, newKey);
  {
    await using running = await startAuthority(files, backing);
    expect(await rewrapCaKeys(store, both)).toBe(2);
    expect((await sealedUnder()).ids).toEqual(new Set([after.current.id]));
    await issueAndRead(running);
    expect(await rewrapCaKeys(store, both)).toBe(0);
  }
  await giveKeys(newKey);
  await using alone = await startAuthority(files, backing);
  await issueAndRead(alone);
  await bootstrap(files);
  await giveKeys(oldKey);
  await expect(bootstrap(files)).rejects.toMatchObject({ code: "KEY_ENCRYPTION_KEY_WRONG" });
}, 60_000);

test("what none of the keys opens stops it, and nothing is changed", async () => {
  const { sealed } = await sealedUnder();
  await expect(rewrapCaKeys(store, after)).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "REWRAP_INCOMPLETE",
    message: expect.stringContaining(before.current.id),
  });
  const damaged = Buffer.from(sealed[1] ?? []);
  damaged[20] = (damaged[20] ?? 0) ^ 1;
  await store.db.updateTable("ca_key").set({ sealed_private_key: damaged }).where("kind", "=", "issuing").execute();
  await expect(rewrapCaKeys(store, both)).rejects.toMatchObject({ code: "CA_KEY_DAMAGED" });
  expect((await sealedUnder()).ids).toEqual(new Set([before.current.id]));
});

test("the key of a retired CA is not there to be rewrapped", async () => {
  const issuing = await store.db.selectFrom("ca_key").select("id").where("kind", "=", "issuing").executeTakeFirst();
  const retired = { state: "retired" as const, retired_at: new Date(), sealed_private_key: null };
  await store.db
    .updateTable("ca_key")
    .set(retired)
    .where("id", "=", issuing?.id ?? "")
    .execute();
  expect(await rewrapCaKeys(store, both)).toBe(1);
});
