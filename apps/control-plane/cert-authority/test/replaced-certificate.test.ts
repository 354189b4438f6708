import { FabricProfile } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { startTestPostgres, type TestPostgres } from "@drawbridge/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { agentRequest, type RunningAuthority } from "./harness.ts";
import { createRotationStack, until, type Caller, type RotationStack } from "./rotation-harness.ts";

let postgres: TestPostgres;
let stack: RotationStack;
let authority: RunningAuthority;
let runtimeManager: Caller;
let operator: Caller;

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 120_000);
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
}, 60_000);

beforeEach(async () => {
  stack = await createRotationStack(postgres);
  authority = await stack.start();
  runtimeManager = await stack.callerOf(authority, "runtime-manager");
  operator = await stack.callerOf(authority, "management-api");
}, 60_000);
afterEach(() => stack[Symbol.asyncDispose](), 60_000);

async function issue(profile: "agent" | "collector", fabricId: string): Promise<string> {
  const request = await agentRequest({ fabricId });
  const collector = { profile: FabricProfile.FABRIC_PROFILE_COLLECTOR, subjectId: "" };
  const { certificate } = await runtimeManager.issueFabricCertificate(
    profile === "agent" ? request : { ...request, ...collector },
  );
  if (!certificate) throw new Error("an answer without a certificate");
  return certificate.serialNumber;
}

/** An agent on its tunnel, and its collector. */
async function aFabric() {
  const fabricId = uuidV7Ids.next();
  const [agent, collector] = [await issue("agent", fabricId), await issue("collector", fabricId)];
  for (const serialNumber of [agent, collector]) await runtimeManager.activateCertificate({ serialNumber });
  return { fabricId, agent, collector };
}

const revokeSerial = (value: string) =>
  operator.revokeCertificates({ target: { $case: "serialNumber", value }, reason: "key was copied" });

/** Longer ago than a renewal can be on its way. */
async function letTimePass(): Promise<void> {
  const earlier = new Date(Date.now() - 60_000);
  await stack.store.db.updateTable("revocation").set({ revoked_at: earlier }).execute();
}

const outdated = async (...serialNumbers: readonly string[]) =>
  (await runtimeManager.listOutdatedCertificates({ serialNumbers: [...serialNumbers] })).serialNumbers;

test("a collector's revoked certificate is to be renewed, as soon as its agent would get another (REN 6)", async () => {
  const { fabricId, agent, collector } = await aFabric();
  expect(await outdated(agent, collector)).toEqual([]);
  expect((await revokeSerial(collector)).serialNumbers).toEqual([collector]);
  expect(await outdated(agent, collector)).toEqual([]); // it would be refused
  await expect(issue("collector", fabricId)).rejects.toMatchObject({ code: "CERTIFICATE_REVOKED" });
  await letTimePass();
  expect(await outdated(agent, collector)).toEqual([collector]);
  const next = await issue("collector", fabricId);
  expect(await outdated(agent, next)).toEqual([]);
});

test("an agent's revoked certificate is never to be renewed, and the collector's neither where all of the fabric is revoked", async () => {
  const [one, all] = [await aFabric(), await aFabric()];
  await revokeSerial(one.agent);
  await revokeSerial(one.collector);
  const target = { $case: "fabricId", value: all.fabricId } as const;
  await operator.revokeCertificates({ target, reason: "stolen" });
  await letTimePass();
  expect(await outdated(one.agent, one.collector, all.agent, all.collector)).toEqual([]);
});

test("a collector's certificate that a later one took the place of is not to be renewed", async () => {
  const { collector } = await aFabric();
  await revokeSerial(collector);
  await letTimePass();
  await stack.store.db.updateTable("revocation").set({ reason: "superseded" }).execute();
  expect(await outdated(collector)).toEqual([]);
});

test("a certificate's record says that its CA is retired (REN 7)", async () => {
  const { agent } = await aFabric();
  const isIssuerRetired = async () =>
    (await operator.getCertificate({ serialNumber: agent })).certificate?.issuerRetired;
  expect(await isIssuerRetired()).toBe(false);
  // A successor issues, so that the one that signed can go.
  const issuer = stack.store.db.selectFrom("certificate").select("issuer_id").where("serial_number", "=", agent);
  const tellVersion = (version: string) => stack.store.db.updateTable("trust_bundle").set({ version }).execute();
  await stack.store.db.updateTable("ca_key").set({ state: "old" }).where("id", "=", issuer).execute();
  await tellVersion("500");
  await until(async () => {
    const active = stack.store.db.selectFrom("ca_key").select("id").where("kind", "=", "issuing");
    return (await active.where("state", "=", "active").execute()).length === 1;
  }, "a successor");
  await stack.store.db
    .updateTable("ca_key")
    .set({ state: "retired", sealed_private_key: null })
    .where("id", "=", issuer)
    .execute();
  await tellVersion("1000");
  await until(async () => (await isIssuerRetired()) === true, "the record");
}, 60_000);
