import { connectBus, type Bus } from "@drawbridge/bus";
import { CertificateState } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { FabricServiceClient } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcClient, type GrpcClient } from "@drawbridge/rpc";
import {
  createRuntimeManagerProcess,
  createTestLogger,
  runtimeManagerMigrations,
  startTestNats,
  startTestPostgres,
  type RuntimeManagerProcess,
  type TestNats,
} from "@drawbridge/testkit";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  agentRequest,
  bootstrap,
  createFiles,
  migrations,
  startAuthority,
  type Files,
  type RunningAuthority,
} from "./harness.ts";

// The owner of fabrics is the real runtime-manager. It cannot reach this cert-authority: what is revoked here, the
// event made us revoke.

const suite = new AsyncDisposableStack();
let nats: TestNats;
let files: Files;
let owner: RuntimeManagerProcess;
let fabrics: GrpcClient<(typeof FabricServiceClient)["service"]>["call"];
let bus: Bus;
let startCa: () => Promise<RunningAuthority>;
let authority: RunningAuthority;

beforeAll(async () => {
  const postgres = suite.use(await startTestPostgres());
  nats = suite.use(await startTestNats());
  const database = suite.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const ownersDatabase = suite.use(
    await postgres.createDatabase({ schema: "runtime_manager", migrations: runtimeManagerMigrations }),
  );
  const backing = { databaseUrl: database.url, nats };
  files = suite.use(await createFiles(backing));
  await bootstrap(files);
  owner = suite.use(
    await createRuntimeManagerProcess({
      dir: files.path("."),
      database: ownersDatabase,
      nats,
      identitiesDir: files.identities,
    }),
  );
  startCa = () => startAuthority(files, backing, { DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: owner.address });
  const { logger } = createTestLogger();
  bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "test", logger });
  await bus.start(AbortSignal.timeout(240_000));
  suite.defer(() => bus.stop(AbortSignal.timeout(5_000)));
  const identity = new IdentityHolder(await loadIdentityDir(join(files.identities, "management-api"), new Date()));
  const client = createGrpcClient(FabricServiceClient, {
    address: owner.address,
    identity,
    expectedServer: "/cp/runtime-manager",
    logger,
  });
  suite.defer(() => client.stop(AbortSignal.timeout(5_000)));
  fabrics = client.call;
}, 120_000);

afterAll(() => suite.disposeAsync(), 60_000);

beforeEach(async () => {
  authority = await startCa();
  await owner.start(); // reads the revocation list from the bus: it cannot reach cert-authority
  return async () => {
    await authority[Symbol.asyncDispose]();
    await owner.kill();
  };
}, 60_000);

/** A fabric with two certificates. */
async function aFabric(name: string): Promise<string> {
  const { fabric } = await fabrics.createFabric({ org: "acme", name, region: "", environments: ["test"] });
  const fabricId = fabric?.fabricId ?? "";
  await issueTwo(fabricId);
  return fabricId;
}

async function issueTwo(fabricId: string): Promise<void> {
  const activation = await authority.clientOf("activation");
  for (let n = 0; n < 2; n += 1) await activation.issueFabricCertificate(await agentRequest({ fabricId }));
}

async function recordsOf(fabricId: string) {
  const managementApi = await authority.clientOf("management-api");
  const { certificates } = await managementApi.listCertificates({
    fabricId,
    spiffeId: "",
    unexpiredOnly: false,
    pageSize: 10,
    pageToken: "",
  });
  return certificates.map(({ state, revocationReason }) => ({ state, revocationReason }));
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(240_000);
  while (!(await isSo())) await systemClock.sleep(20, deadline);
}

/** What anybody who may publish can say. */
async function forgeDeletion(fabricId: string): Promise<string> {
  const id = uuidV7Ids.next();
  await bus.publishEvent({
    id,
    type: "runtime.fabric.deleted.v1",
    scope: fabricId,
    occurredAt: new Date(),
    traceparent: "",
    payloadJson: JSON.stringify({ fabricId, name: "edge", agentId: "", fact: "deleted", replica: "" }),
  });
  return id;
}

const isRefuted = (eventId: string) => (): boolean =>
  authority.log.records.some((record) => record["event_id"] === eventId && record.msg.startsWith("security:"));
const revoked = { state: CertificateState.CERTIFICATE_STATE_REVOKED, revocationReason: "the fabric was deleted" };
const issued = { state: CertificateState.CERTIFICATE_STATE_ISSUED, revocationReason: "" };

test("a forged event revokes nothing, neither of a fabric that is there nor of one that never was", async () => {
  const fabricId = await aFabric("forged-1");
  const unknownId = uuidV7Ids.next();
  await issueTwo(unknownId);
  for (const told of [fabricId, unknownId]) {
    await until(isRefuted(await forgeDeletion(told)));
    expect(await recordsOf(told)).toEqual([issued, issued]);
  }
  const metrics = await authority.metrics();
  expect(metrics).toMatch(/^drawbridge_cert_authority_fabric_deletions_refuted_total\S* 2$/m);
});

test("a deleted fabric loses all its certificates, and a repeated event changes nothing (R9)", async () => {
  const fabricId = await aFabric("deleted-1");
  await fabrics.deleteFabric({ org: "acme", fabric: "deleted-1", force: false });
  await until(async () => (await recordsOf(fabricId)).every(({ state }) => state === revoked.state));
  await forgeDeletion(fabricId);
  expect(await recordsOf(fabricId)).toEqual([revoked, revoked]);
});

test("the event waits for its owner: nothing is revoked while runtime-manager is away, once it is back everything is", async () => {
  const fabricId = await aFabric("away-1");
  await authority[Symbol.asyncDispose]();
  const told = Promise.withResolvers<void>();
  const subscription = bus.subscribe(`drawbridge.runtime.fabric.deleted.v1.${fabricId}`, () => told.resolve());
  await subscription.ready;
  await fabrics.deleteFabric({ org: "acme", fabric: "away-1", force: false });
  await told.promise;
  await subscription.close();
  await owner.kill();

  authority = await startCa();
  const isWaiting = (): boolean =>
    authority.log.records.some(
      ({ msg, subject }) => msg === "event not handled, will retry" && String(subject).endsWith(fabricId),
    );
  await until(isWaiting);
  expect(await recordsOf(fabricId)).toEqual([issued, issued]);
  const revocations: string[] = [];
  const heard = bus.subscribe(`drawbridge.certs.certificate.revoked.v1.${fabricId}`, ({ data }) => {
    revocations.push(Buffer.from(data).toString());
  });
  await heard.ready;
  await owner.start();
  await until(async () => (await recordsOf(fabricId)).every(({ state }) => state === revoked.state));
  await until(() => revocations.length >= 2);
  expect(await recordsOf(fabricId)).toEqual([revoked, revoked]);
  expect(new Set(revocations).size).toBe(2); // one per certificate
  expect(revocations).toHaveLength(2);
  await heard.close();
}, 120_000);
