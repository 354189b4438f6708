import { FabricProfile } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { chainToPem, createCsr, generateKeyPair, validateIdentity } from "@drawbridge/pki";
import { openStore } from "@drawbridge/store";
import { createTestLogger, startTestNats, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import {
  agentId,
  agentRequest,
  bootstrap,
  createFiles,
  fabricId,
  migrations,
  startAuthority,
  type AuthorityClient,
  type Backing,
  type RunningAuthority,
} from "./harness.ts";

const stack = new AsyncDisposableStack();
let authority: RunningAuthority;
let backing: Backing;
let activation: AuthorityClient;
let runtimeManager: AuthorityClient;
let managementApi: AuthorityClient;

beforeAll(async () => {
  const postgres = stack.use(await startTestPostgres());
  const nats = stack.use(await startTestNats());
  const database = stack.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  backing = { databaseUrl: database.url, nats };
  const files = stack.use(await createFiles(backing));
  await bootstrap(files);
  authority = stack.use(await startAuthority(files, backing));
  activation = await authority.clientOf("activation");
  runtimeManager = await authority.clientOf("runtime-manager");
  managementApi = await authority.clientOf("management-api");
}, 120_000);

afterAll(() => stack.disposeAsync(), 60_000);

const base = `spiffe://drawbridge.local/org/acme/fabric/${fabricId}`;

async function withStore<T>(work: (db: ReturnType<typeof openStore<CertAuthorityDb>>["db"]) => Promise<T>): Promise<T> {
  const store = openStore<CertAuthorityDb>({
    url: backing.databaseUrl,
    schema: "cert_authority",
    logger: createTestLogger().logger,
  });
  await store.start(AbortSignal.timeout(240_000));
  try {
    return await work(store.db);
  } finally {
    await store.stop(AbortSignal.timeout(5_000));
  }
}

test("issues a certificate that the trust bundle verifies and the key fits (ACT 3, R1)", async () => {
  const keyPair = await generateKeyPair();
  const { certificate, trustBundle } = await activation.issueFabricCertificate(await agentRequest({ keyPair }));
  if (!certificate || !trustBundle) throw new Error("an answer without certificate or trust bundle");
  const identity = validateIdentity(
    {
      certificateChainPem: chainToPem([certificate.certificateDer, ...certificate.chainDer]),
      privateKeyPem: keyPair.privateKeyPem(),
      trustBundle,
    },
    new Date(),
  );
  expect(identity).toMatchObject({ spiffeId: `${base}/agent/${agentId}`, serialNumber: certificate.serialNumber });
  expect(certificate.notBefore?.getTime()).toBe(identity.notBefore.getTime());
});

test("names collectors and gateways, and refuses a profile that is not said", async () => {
  const request = await agentRequest();
  const collector = { ...request, profile: FabricProfile.FABRIC_PROFILE_COLLECTOR, subjectId: "" };
  expect((await runtimeManager.issueFabricCertificate(collector)).certificate?.spiffeId).toBe(`${base}/collector`);
  const gateway = { ...request, requestId: uuidV7Ids.next(), profile: FabricProfile.FABRIC_PROFILE_GATEWAY };
  expect((await activation.issueFabricCertificate(gateway)).certificate?.spiffeId).toBe(`${base}/gateway/${agentId}`);
  const unsaid = { ...request, profile: FabricProfile.FABRIC_PROFILE_UNSPECIFIED };
  await expect(activation.issueFabricCertificate(unsaid)).rejects.toMatchObject({ code: "REQUEST_INVALID" });
});

test("the same request id and key give the same certificate (ACT 8)", async () => {
  const request = await agentRequest();
  const first = await activation.issueFabricCertificate(request);
  const again = await activation.issueFabricCertificate(request);
  expect(again.certificate?.certificateDer).toEqual(first.certificate?.certificateDer);
});

test("a used request id with another key or another name is refused", async () => {
  const request = await agentRequest();
  await activation.issueFabricCertificate(request);
  const otherKey = { ...request, csrDer: Buffer.from(await createCsr(await generateKeyPair())) };
  const reused = { kind: "already_exists", code: "REQUEST_ID_REUSED" };
  await expect(activation.issueFabricCertificate(otherKey)).rejects.toMatchObject(reused);
  const otherName = { ...request, subjectId: fabricId };
  await expect(activation.issueFabricCertificate(otherName)).rejects.toMatchObject(reused);
});

test.each([
  ["no request id", { requestId: "" }, "REQUEST_INVALID"],
  ["a fabric id that is no UUID", { fabricId: "x" }, "REQUEST_INVALID"],
  ["an organisation that is a path", { org: "acme/../x" }, "SPIFFE_ID_INVALID"],
  ["an agent id that is a path", { subjectId: "../../cp/activation" }, "SPIFFE_ID_INVALID"],
  ["a CSR that is none", { csrDer: Buffer.from("no") }, "CSR_MALFORMED"],
  ["a CSR above 8 KiB", { csrDer: Buffer.alloc(8193) }, "CSR_MALFORMED"],
])("refuses %s", async (_what, override, code) => {
  const request = { ...(await agentRequest()), ...override };
  await expect(activation.issueFabricCertificate(request)).rejects.toMatchObject({ kind: "invalid_argument", code });
});

test("200 at once: each its own certificate, all of them recorded and announced", async () => {
  const fabric = "018f0000-0000-7000-8000-0000000000c8";
  const csrDer = await createCsr(await generateKeyPair());
  const requests = await Promise.all(Array.from({ length: 200 }, () => agentRequest({ csrDer, fabricId: fabric })));
  const answers = await Promise.all(requests.map((request) => activation.issueFabricCertificate(request)));
  const serials = new Set(answers.map(({ certificate }) => certificate?.serialNumber));
  expect(serials.size).toBe(200);
  const recorded = await withStore((db) =>
    db.selectFrom("certificate").select(["serial_number", "certificate_der"]).where("fabric_id", "=", fabric).execute(),
  );
  const answered = answers.map(({ certificate }) => [certificate?.serialNumber, certificate?.certificateDer] as const);
  expect(new Map(recorded.map((row) => [row.serial_number, row.certificate_der]))).toEqual(new Map(answered));
});

test("a service renews its own name, whatever it is (decision 6)", async () => {
  const keyPair = await generateKeyPair();
  const csrDer = Buffer.from(await createCsr(keyPair));
  const { certificate } = await managementApi.issueServiceCertificate({ requestId: uuidV7Ids.next(), csrDer });
  expect(certificate?.spiffeId).toBe("spiffe://drawbridge.local/cp/management-api");
});

test("deny by default: no service may call what the contract does not give it", async () => {
  const configResolver = await authority.clientOf("config-resolver");
  const denied = { kind: "permission_denied", code: "CALLER_NOT_ALLOWED" };
  const serialNumber = "40".repeat(20);
  const target = { $case: "serialNumber", value: serialNumber } as const;
  await expect(managementApi.issueFabricCertificate(await agentRequest())).rejects.toMatchObject(denied);
  await expect(configResolver.issueFabricCertificate(await agentRequest())).rejects.toMatchObject(denied);
  await expect(activation.getCertificate({ serialNumber })).rejects.toMatchObject(denied);
  await expect(activation.activateCertificate({ serialNumber })).rejects.toMatchObject(denied);
  await expect(configResolver.revokeCertificates({ target, reason: "x" })).rejects.toMatchObject(denied);
  await expect(
    configResolver.listCertificates({ fabricId: "", spiffeId: "", unexpiredOnly: false, pageSize: 0, pageToken: "" }),
  ).rejects.toMatchObject(denied);
});

test("deny by default: an agent's certificate opens no method", async () => {
  const keyPair = await generateKeyPair();
  const { certificate, trustBundle } = await activation.issueFabricCertificate(await agentRequest({ keyPair }));
  if (!certificate || !trustBundle) throw new Error("an answer without certificate or trust bundle");
  const agent = authority.clientWith(
    validateIdentity(
      {
        certificateChainPem: chainToPem([certificate.certificateDer, ...certificate.chainDer]),
        privateKeyPem: keyPair.privateKeyPem(),
        trustBundle,
      },
      new Date(),
    ),
  );
  const denied = { code: "CALLER_NOT_ALLOWED" };
  await expect(agent.issueFabricCertificate(await agentRequest())).rejects.toMatchObject(denied);
  await expect(agent.getTrustBundle({})).rejects.toMatchObject(denied);
  const csrDer = Buffer.from(await createCsr(keyPair));
  await expect(agent.issueServiceCertificate({ requestId: uuidV7Ids.next(), csrDer })).rejects.toMatchObject(denied);
});

test("a certificate is issued, then active, then revoked for ever (REN 6)", async () => {
  const { certificate } = await activation.issueFabricCertificate(await agentRequest());
  const serialNumber = certificate?.serialNumber ?? "";
  const state = async () => (await managementApi.getCertificate({ serialNumber })).certificate;
  expect(await state()).toMatchObject({ state: 1, fabricId, revokedAt: undefined });
  await runtimeManager.activateCertificate({ serialNumber });
  await runtimeManager.activateCertificate({ serialNumber });
  expect(await state()).toMatchObject({ state: 2 });

  const revoke = { target: { $case: "serialNumber", value: serialNumber } as const, reason: "key was copied" };
  expect((await runtimeManager.revokeCertificates(revoke)).serialNumbers).toEqual([serialNumber]);
  expect((await runtimeManager.revokeCertificates(revoke)).serialNumbers).toEqual([]);
  expect(await state()).toMatchObject({ state: 3, revocationReason: "key was copied", revokedAt: expect.any(Date) });
  const used = await runtimeManager.activateCertificate({ serialNumber });
  expect(used.certificate).toMatchObject({ state: 3 });
});

test("says that it does not know a serial number", async () => {
  const serialNumber = "40".repeat(20);
  const unknown = { kind: "not_found", code: "CERTIFICATE_NOT_FOUND" };
  await expect(managementApi.getCertificate({ serialNumber })).rejects.toMatchObject(unknown);
  await expect(runtimeManager.activateCertificate({ serialNumber })).rejects.toMatchObject(unknown);
  const target = { $case: "serialNumber", value: serialNumber } as const;
  await expect(runtimeManager.revokeCertificates({ target, reason: "x" })).rejects.toMatchObject(unknown);
  await expect(managementApi.getCertificate({ serialNumber: "XYZ" })).rejects.toMatchObject({
    code: "REQUEST_INVALID",
  });
});

test("revokes all certificates of a fabric and of no other; pages list newest first", async () => {
  const fabric = "018f0000-0000-7000-8000-0000000000f0";
  const serials: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    const { certificate } = await activation.issueFabricCertificate(await agentRequest({ fabricId: fabric }));
    serials.unshift(certificate?.serialNumber ?? "");
  }
  const first = await managementApi.listCertificates({
    fabricId: fabric,
    spiffeId: "",
    unexpiredOnly: false,
    pageSize: 2,
    pageToken: "",
  });
  const second = await managementApi.listCertificates({
    fabricId: fabric,
    spiffeId: "",
    unexpiredOnly: false,
    pageSize: 2,
    pageToken: first.nextPageToken,
  });
  expect([...first.certificates, ...second.certificates].map(({ serialNumber }) => serialNumber)).toEqual(serials);
  expect(second.nextPageToken).toBe("");

  const target = { $case: "fabricId", value: fabric } as const;
  const revoked = await managementApi.revokeCertificates({ target, reason: "the fabric is gone" });
  expect(revoked.serialNumbers.toSorted()).toEqual(serials.toSorted());
  const all = await managementApi.listCertificates({
    fabricId,
    spiffeId: "",
    unexpiredOnly: false,
    pageSize: 500,
    pageToken: "",
  });
  expect(all.certificates.filter(({ revocationReason }) => revocationReason === "the fabric is gone")).toEqual([]);
});

test("metrics tell requests by profile and result, the time of signing, and what expires when", async () => {
  await activation.issueFabricCertificate(await agentRequest());
  const csrDer = new Uint8Array(3);
  await expect(activation.issueFabricCertificate(await agentRequest({ csrDer }))).rejects.toThrow();
  const text = await authority.metrics();
  const sample = (name: string): RegExp => new RegExp(`^drawbridge_cert_authority_${name} [1-9]`, "m");
  expect(text).toMatch(sample('certificate_requests_total\\{profile="agent",result="issued"\\}'));
  expect(text).toMatch(sample('certificate_requests_total\\{profile="agent",result="refused"\\}'));
  expect(text).toMatch(sample("signing_seconds_count"));
  for (const what of ["root_ca", "issuing_ca", "certificate"])
    expect(text).toMatch(sample(`${what}_not_after_seconds`));
  expect(text).toMatch(/^drawbridge_cert_authority_outbox_oldest_age_seconds \d/m);
});

test("200 first uses at once: each is recorded and answered, unknown ones by name", async () => {
  const fabric = "018f0000-0000-7000-8000-0000000000ac";
  const csrDer = await createCsr(await generateKeyPair());
  const requests = await Promise.all(Array.from({ length: 200 }, () => agentRequest({ csrDer, fabricId: fabric })));
  const answers = await Promise.all(requests.map((request) => activation.issueFabricCertificate(request)));
  const serials = answers.map(({ certificate }) => certificate?.serialNumber ?? "");
  const unknown = "41".repeat(20);
  const [missing, ...activated] = await Promise.allSettled(
    [unknown, ...serials].map((serialNumber) => runtimeManager.activateCertificate({ serialNumber })),
  );
  expect(missing).toMatchObject({ status: "rejected", reason: { code: "CERTIFICATE_NOT_FOUND" } });
  const active = activated.map((answer) => (answer.status === "fulfilled" ? answer.value.certificate : undefined));
  expect(active.map((record) => [record?.serialNumber, record?.state])).toEqual(serials.map((serial) => [serial, 2]));
});
