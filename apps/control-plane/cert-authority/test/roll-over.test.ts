import { systemClock } from "@drawbridge/lifecycle";
import { createCsr, createTrustBundle, generateKeyPair, parseCertificate, verifyChain } from "@drawbridge/pki";
import { openStore } from "@drawbridge/store";
import { createTestLogger, startTestNats, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import {
  agentRequest,
  bootstrap,
  createFiles,
  migrations,
  startAuthority,
  type Backing,
  type RunningAuthority,
} from "./harness.ts";

const stack = new AsyncDisposableStack();
let backing: Backing;
let replicas: readonly RunningAuthority[];

/** A roll-over every three seconds: made at three, issuing from five, ended at six. */
const drill = {
  DRAWBRIDGE_LEAF_TTL_MODE: "drill",
  DRAWBRIDGE_LEAF_TTL_SECONDS: "1",
  DRAWBRIDGE_ISSUING_CA_TTL_SECONDS: "6",
};
const rollOvers = 7;

beforeAll(async () => {
  const postgres = stack.use(await startTestPostgres());
  const nats = stack.use(await startTestNats());
  const database = stack.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  backing = { databaseUrl: database.url, nats };
  const files = stack.use(await createFiles(backing));
  // The services' own certificates are not what is tested here: they live for as long as the first issuing CA.
  await bootstrap(files, {
    env: {
      DRAWBRIDGE_ISSUING_CA_TTL_SECONDS: "600",
      DRAWBRIDGE_LEAF_TTL_SECONDS: "100",
      DRAWBRIDGE_LEAF_TTL_MODE: "drill",
    },
  });
  replicas = [
    stack.use(await startAuthority(files, backing, drill)),
    stack.use(await startAuthority(files, backing, { ...drill, DRAWBRIDGE_REPLICA: "cert-authority-1" })),
  ];
}, 120_000);

afterAll(() => stack.disposeAsync(), 60_000);

test("the issuing CA rolls over under load without a failed request, on both replicas (R8, R26 a)", async () => {
  const store = openStore<CertAuthorityDb>({
    url: backing.databaseUrl,
    schema: "cert_authority",
    logger: createTestLogger().logger,
  });
  await store.start(AbortSignal.timeout(240_000));
  // The first one, of ten minutes, would issue for longer than the test runs: it is made to look old.
  const longAgo = new Date(Date.now() - 36_000_000);
  await store.db.updateTable("ca_key").set({ not_before: longAgo }).where("kind", "=", "issuing").execute();
  await store.db.updateTable("trust_bundle").set({ version: "2" }).execute();

  const csrDer = await createCsr(await generateKeyPair());
  const clients = await Promise.all(replicas.map((replica) => replica.clientOf("activation")));
  const deadline = AbortSignal.timeout(240_000);
  const issuers = clients.map(() => new Set<string>());
  let issued = 0;
  const load = clients.map(async (client, index) => {
    while ((issuers[index]?.size ?? 0) <= rollOvers) {
      deadline.throwIfAborted();
      const answer = await client.issueFabricCertificate(await agentRequest({ csrDer }));
      const { certificate, trustBundle } = answer;
      if (!certificate || !trustBundle) throw new Error("an answer without certificate or trust bundle");
      const chain = [certificate.certificateDer, ...certificate.chainDer].map((der) => parseCertificate(der));
      const leaf = verifyChain({
        chain,
        trustBundle: createTrustBundle(trustBundle),
        at: certificate.notBefore ?? new Date(0),
      });
      expect(leaf.notAfter.getTime()).toBeLessThanOrEqual(chain[1]?.validToDate.getTime() ?? 0);
      issuers[index]?.add(chain[1]?.serialNumber ?? "");
      issued += 1;
      await systemClock.sleep(5);
    }
  });
  await Promise.all(load);
  expect(issued).toBeGreaterThan(rollOvers * clients.length);

  const keys = await store.db.selectFrom("ca_key").select(["kind", "state", "sealed_private_key"]).execute();
  await store.stop(AbortSignal.timeout(5_000));
  expect(keys.filter(({ kind, state }) => kind === "issuing" && state === "active")).toHaveLength(1);
  expect(keys.filter(({ state }) => state === "retired").length).toBeGreaterThan(rollOvers - 4);
  expect(keys.filter(({ state, sealed_private_key: key }) => (state === "retired") !== (key === null))).toEqual([]);
  for (const { log } of replicas) expect(log.records.filter(({ level }) => level === "error")).toEqual([]);
}, 90_000);
