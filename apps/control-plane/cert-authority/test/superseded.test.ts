import {
  CertificateState,
  FabricProfile,
  type CertificateRecord,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createCsr, generateKeyPair } from "@drawbridge/pki";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, startTestNats, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import { supersedeCertificates } from "../src/store/supersede-certificates.ts";
import {
  agentRequest,
  bootstrap,
  createFiles,
  migrations,
  startAuthority,
  type AuthorityClient,
  type RevocationClient,
  type RunningAuthority,
} from "./harness.ts";

const suite = new AsyncDisposableStack();
let startCa: (env: Record<string, string>) => Promise<RunningAuthority>;
let store: Store<CertAuthorityDb>;
let runtimeManager: AuthorityClient;
let reader: RevocationClient;

/** Long enough that the service's own job has nothing to do while a test decides what time it is. */
const never = { DRAWBRIDGE_SUPERSEDED_GRACE_SECONDS: "86400" };

beforeAll(async () => {
  const postgres = suite.use(await startTestPostgres());
  const nats = suite.use(await startTestNats());
  const database = suite.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const backing = { databaseUrl: database.url, nats };
  const files = suite.use(await createFiles(backing));
  await bootstrap(files);
  startCa = (env) => startAuthority(files, backing, env);
  const authority = suite.use(await startCa(never));
  runtimeManager = await authority.clientOf("runtime-manager");
  reader = await authority.revocationsOf("activation");
  store = openStore({ url: database.url, schema: "cert_authority", logger: createTestLogger().logger });
  await store.start(AbortSignal.timeout(240_000));
  suite.defer(() => store.stop(AbortSignal.timeout(5_000)));
}, 120_000);

afterAll(() => suite.disposeAsync(), 60_000);

async function issue(fabricId: string, profile: FabricProfile = FabricProfile.FABRIC_PROFILE_AGENT): Promise<string> {
  const subjectId = profile === FabricProfile.FABRIC_PROFILE_COLLECTOR ? "" : fabricId;
  const request = { ...(await agentRequest({ fabricId })), profile, subjectId };
  return (await runtimeManager.issueFabricCertificate(request)).certificate?.serialNumber ?? "";
}

async function recordOf(serialNumber: string): Promise<CertificateRecord> {
  const { certificate } = await runtimeManager.getCertificate({ serialNumber });
  if (!certificate) throw new Error("an answer without certificate");
  return certificate;
}

const reasonsOf = (serials: readonly string[]): Promise<readonly string[]> =>
  Promise.all(serials.map(async (serial) => (await recordOf(serial)).revocationReason));

const graceMs = 300_000;
const sweep = (now: Date) => supersedeCertificates(store, { activatedBefore: new Date(now.getTime() - graceMs), now });

test("an earlier certificate is revoked when the later one has been in use for the grace time, not before (R6)", async () => {
  const fabricId = uuidV7Ids.next();
  const [old, renewed] = [await issue(fabricId), await issue(fabricId)];
  await runtimeManager.activateCertificate({ serialNumber: old });
  const { certificate } = await runtimeManager.activateCertificate({ serialNumber: renewed });
  const activatedAt = certificate?.activatedAt?.getTime() ?? 0;

  await sweep(new Date(activatedAt + graceMs - 1));
  expect(await reasonsOf([old, renewed])).toEqual(["", ""]);
  await sweep(new Date(activatedAt + graceMs));
  expect(await reasonsOf([old, renewed])).toEqual(["superseded", ""]);
});

test("a later certificate that was never used supersedes nothing, and the one after it is left alone", async () => {
  const fabricId = uuidV7Ids.next();
  const [first, unused] = [await issue(fabricId), await issue(fabricId)];
  await runtimeManager.activateCertificate({ serialNumber: first });
  const later = (ms: number): Date => new Date(systemClock.now().getTime() + graceMs + ms);
  await sweep(later(0));
  expect(await reasonsOf([first, unused])).toEqual(["", ""]);

  const [used, next] = [await issue(fabricId), await issue(fabricId)];
  await runtimeManager.activateCertificate({ serialNumber: used });
  await sweep(later(1_000));
  expect(await reasonsOf([first, unused, used, next])).toEqual(["superseded", "superseded", "", ""]);
});

test("agents, collectors and gateways of a fabric each have their own succession, other fabrics none of it", async () => {
  const fabricId = uuidV7Ids.next();
  const { FABRIC_PROFILE_COLLECTOR, FABRIC_PROFILE_GATEWAY } = FabricProfile;
  const kept = [await issue(fabricId), await issue(fabricId, FABRIC_PROFILE_GATEWAY), await issue(uuidV7Ids.next())];
  const old = await issue(fabricId, FABRIC_PROFILE_COLLECTOR);
  const renewed = await issue(fabricId, FABRIC_PROFILE_COLLECTOR);
  await runtimeManager.activateCertificate({ serialNumber: renewed });
  await sweep(new Date(systemClock.now().getTime() + graceMs));
  expect(await reasonsOf([...kept, old, renewed])).toEqual(["", "", "", "superseded", ""]);
});

test("services are never superseded: their replicas share a name", async () => {
  const serials: string[] = [];
  for (let replica = 0; replica < 2; replica += 1) {
    const csrDer = Buffer.from(await createCsr(await generateKeyPair()));
    const answer = await runtimeManager.issueServiceCertificate({ requestId: uuidV7Ids.next(), csrDer });
    const serialNumber = answer.certificate?.serialNumber ?? "";
    await runtimeManager.activateCertificate({ serialNumber });
    serials.push(serialNumber);
  }
  await sweep(new Date(systemClock.now().getTime() + graceMs));
  expect(await reasonsOf(serials)).toEqual(["", ""]);
});

test("a superseded certificate is revoked like any other: in the list, announced, and by the running service", async () => {
  const fabricId = uuidV7Ids.next();
  const [old, renewed] = [await issue(fabricId), await issue(fabricId)];
  await runtimeManager.activateCertificate({ serialNumber: renewed });
  const before = await reader.listRevocations({ afterPosition: 0n, listId: "" });
  await using authority = await startCa({ DRAWBRIDGE_SUPERSEDED_GRACE_SECONDS: "1" });
  const revoked = async () => {
    const page = await reader.listRevocations({ afterPosition: before.nextPosition, listId: before.listId });
    return page.revocations.find(({ serialNumber }) => serialNumber === old);
  };
  const deadline = AbortSignal.timeout(240_000);
  while (!(await revoked())) await systemClock.sleep(50, deadline);
  expect(await revoked()).toMatchObject({ reason: "superseded", fabricId });
  expect((await recordOf(old)).state).toBe(CertificateState.CERTIFICATE_STATE_REVOKED);
  expect((await recordOf(renewed)).state).toBe(CertificateState.CERTIFICATE_STATE_ACTIVE);
  expect(authority.log.records.some(({ msg }) => msg === "superseded certificates revoked")).toBe(true);
});
