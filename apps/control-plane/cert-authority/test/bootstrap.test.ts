import { randomBytes } from "node:crypto";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadIdentityDir } from "@drawbridge/pki";
import { openStore } from "@drawbridge/store";
import { createTestLogger, FakeClock, startTestPostgres, type TestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { controlPlaneServices } from "../src/ca/write-service-identities.ts";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import { bootstrap, createFiles, migrations } from "./harness.ts";

let postgres: TestPostgres;
beforeAll(async () => void (postgres = await startTestPostgres()), 120_000);
afterAll(() => postgres[Symbol.asyncDispose](), 60_000);

const noNats = { url: "nats://127.0.0.1:1", credentials: "none:none" };

/** A database and a folder with secrets, both new. */
async function newStack() {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const files = stack.use(await createFiles({ databaseUrl: database.url, nats: noNats }));
  const store = openStore<CertAuthorityDb>({
    url: database.url,
    schema: "cert_authority",
    logger: createTestLogger().logger,
  });
  stack.defer(() => store.stop(AbortSignal.timeout(5_000)));
  return { files, db: store.db, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test("makes one root, one issuing CA and an identity for each service; all certificates are recorded", async () => {
  await using stack = await newStack();
  await bootstrap(stack.files);
  const keys = await stack.db.selectFrom("ca_key").select("kind").orderBy("kind").execute();
  expect(keys.map(({ kind }) => kind)).toEqual(["issuing", "root"]);
  for (const service of controlPlaneServices) {
    const identity = await loadIdentityDir(join(stack.files.identities, service), new Date());
    expect(identity.spiffeId).toBe(`spiffe://drawbridge.local/cp/${service}`);
    const recorded = await stack.db
      .selectFrom("certificate")
      .select("spiffe_id")
      .where("serial_number", "=", identity.serialNumber)
      .executeTakeFirst();
    expect(recorded?.spiffe_id).toBe(identity.spiffeId);
    const key = await stat(join(stack.files.identities, service, "tls.key"));
    expect(key.mode & 0o777).toBe(0o600);
  }
});

test("two at once make one root", async () => {
  await using stack = await newStack();
  await Promise.all([bootstrap(stack.files), bootstrap(stack.files), bootstrap(stack.files)]);
  expect(await stack.db.selectFrom("ca_key").select("id").execute()).toHaveLength(2);
  const bundles = await Promise.all(
    controlPlaneServices.map((service) => loadIdentityDir(join(stack.files.identities, service), new Date())),
  );
  const roots = new Set(bundles.map(({ trustBundle }) => Buffer.from(trustBundle.rootsDer[0] ?? []).toString("hex")));
  expect(roots.size).toBe(1);
});

test("repeated, it leaves fresh identities alone and renews those past half of their life", async () => {
  await using stack = await newStack();
  const clock = new FakeClock(new Date());
  const serialOf = async () =>
    (await loadIdentityDir(join(stack.files.identities, "activation"), clock.now())).serialNumber;
  await bootstrap(stack.files);
  const first = await serialOf();
  clock.advance(3 * 86_400_000);
  await bootstrap(stack.files, { clock });
  expect(await serialOf()).toBe(first);
  clock.advance(86_400_000);
  await bootstrap(stack.files, { clock });
  expect(await serialOf()).not.toBe(first);
});

test("replaces an identity that is damaged", async () => {
  await using stack = await newStack();
  await bootstrap(stack.files);
  const directory = join(stack.files.identities, "runtime-manager");
  await writeFile(join(directory, "tls.key"), "not a key");
  await bootstrap(stack.files);
  await expect(loadIdentityDir(directory, new Date())).resolves.toBeDefined();
});

test("says that the key encryption key is not the one that sealed the CA", async () => {
  await using stack = await newStack();
  await bootstrap(stack.files);
  await writeFile(stack.files.path("kek"), randomBytes(32).toString("base64url"));
  await expect(bootstrap(stack.files)).rejects.toMatchObject({ code: "KEY_ENCRYPTION_KEY_WRONG" });
});

test("says that the CA is of another trust domain", async () => {
  await using stack = await newStack();
  await bootstrap(stack.files);
  const env = { DRAWBRIDGE_TRUST_DOMAIN: "example.org" };
  await expect(bootstrap(stack.files, { env })).rejects.toMatchObject({ code: "TRUST_DOMAIN_MISMATCH" });
});

test("a CA key is nowhere in the database in the clear", async () => {
  await using stack = await newStack();
  await bootstrap(stack.files);
  const keys = await stack.db.selectFrom("ca_key").select(["sealed_private_key", "certificate_der"]).execute();
  const idEcPublicKey = Buffer.from("06072a8648ce3d0201", "hex"); // every PKCS#8 of a P-256 key holds it
  for (const key of keys) {
    expect(key.sealed_private_key?.includes(idEcPublicKey)).toBe(false);
    expect(key.certificate_der.includes(idEcPublicKey)).toBe(true);
  }
});
