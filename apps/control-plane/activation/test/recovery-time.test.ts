import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { CertificateAuthorityServiceClient } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { generateKeyPair, IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { openStore, sql, type Store } from "@drawbridge/store";
import { createTestLogger, FakeClock } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCertificateHistory } from "../src/clients/certificate-history.ts";
import { createFabricCertificates } from "../src/clients/fabric-certificates.ts";
import { createDischargeRevocations } from "../src/domain/discharge-revocations.ts";
import { createJoinStates } from "../src/domain/join-state.ts";
import { createRecoverAgent } from "../src/domain/recover-agent.ts";
import { createRecoveryChallenges } from "../src/domain/recovery-challenge.ts";
import { createVerifyRecoveryProof } from "../src/domain/recovery-proof.ts";
import type { ActivationDatabase } from "../src/store/database.ts";
import { createRecoveries } from "../src/store/recoveries.ts";
import { createRevocationDuties } from "../src/store/revocation-duties.ts";
import { startEnvironment, type Environment } from "./harness.ts";
import { answerTo, nextKeys, type AgentDisk } from "./test-agent.ts";

/** Recovery on the real store and cert-authority, with a clock that the test moves. */
let environment: Environment;
let store: Store<ActivationDatabase>;
let stack: AsyncDisposableStack;
let issue: ReturnType<typeof createFabricCertificates>;
let history: ReturnType<typeof createCertificateHistory>;
const { logger } = createTestLogger();
const forever = new AbortController().signal;
const context = { remoteAddress: "192.0.2.1", signal: forever };
const keys = [randomBytes(32)];
const day = 86_400_000;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  environment = stack.use(await startEnvironment());
  const dir = join(environment.certAuthority.identitiesDir, "activation");
  const client = createGrpcClient(CertificateAuthorityServiceClient, {
    address: environment.certAuthority.address,
    identity: new IdentityHolder(await loadIdentityDir(dir, new Date())),
    expectedServer: "/cp/cert-authority",
    logger,
  });
  stack.defer(() => client.stop(AbortSignal.timeout(1_000)));
  issue = createFabricCertificates(client);
  history = createCertificateHistory(client, "drawbridge.local");
  store = openStore<ActivationDatabase>({ url: environment.database.url, schema: "activation", logger });
  await store.start(forever);
  stack.defer(() => store.stop(forever));
}, 180_000);

afterAll(() => stack?.disposeAsync(), 60_000);

async function anInstallation() {
  const clock = new FakeClock(new Date());
  const challenges = createRecoveryChallenges(keys, randomBytes);
  const joinStates = createJoinStates(keys);
  const recoverAgent = createRecoverAgent({
    recoveries: createRecoveries(store),
    standings: { get: () => Promise.resolve(undefined), lock: () => Promise.resolve() },
    history,
    certificates: issue,
    dischargeRevocations: createDischargeRevocations({ duties: createRevocationDuties(store), certificates: issue }),
    joinStates,
    challenges,
    verifyProof: createVerifyRecoveryProof(),
    noteUnproven: () => undefined,
    newJoinNonce: () => randomBytes(16),
    clock,
    logger,
  });
  const disk = await anEnrolledAgent(joinStates, clock);
  return {
    clock,
    disk,
    challenge: () => challenges.make(disk.agentId, clock.now()),
    answer: (
      challenge: { challengeId: string; nonce: Buffer },
      shown: AgentDisk,
      next: Awaited<ReturnType<typeof nextKeys>>,
    ) => recoverAgent(answerTo(challenge, shown, next), context),
    recover: async (shown: AgentDisk): Promise<AgentDisk> => {
      const answer = answerTo(challenges.make(disk.agentId, clock.now()), shown, await nextKeys());
      const recovered = await recoverAgent(answer, context);
      return { ...shown, joinState: recovered.joinState, certificateSerial: recovered.certificate.serialNumber };
    },
  };
}

/** An agent as its activation leaves it, its certificate unknown to cert-authority. */
async function anEnrolledAgent(joinStates: ReturnType<typeof createJoinStates>, clock: FakeClock): Promise<AgentDisk> {
  const recoveryKey = await generateKeyPair();
  const [agentId, tokenId, fabricId] = [uuidV7Ids.next(), uuidV7Ids.next(), uuidV7Ids.next()];
  const nonce = randomBytes(16);
  const now = clock.now();
  const later = new Date(now.getTime() + day);
  await sql`INSERT INTO activation_token (token_id, request_id, token_sha256, fabric_id, fabric_name, org, state, created_by,
    created_at, expires_at, redeemed_at) VALUES (${tokenId}, ${uuidV7Ids.next()}, ${randomBytes(32)}, ${fabricId}, 'edge-1', 'acme',
    'redeemed', 'alice', ${now}, ${later}, ${now})`.execute(store.db);
  await sql`INSERT INTO enrolment (agent_id, token_id, fabric_id, agent_spki_sha256, collector_spki_sha256,
    recovery_key_spki_der, agent_version, remote_address, enrolled_at, join_nonce) VALUES (${agentId}, ${tokenId}, ${fabricId},
    'aa', 'bb', ${Buffer.from(recoveryKey.spkiDer)}, '0.1.0', '192.0.2.1', ${now}, ${nonce})`.execute(store.db);
  await sql`INSERT INTO recovery_state (agent_id, join_sequence, join_nonce) VALUES (${agentId}, 1, ${nonce})`.execute(
    store.db,
  );
  return {
    agentId,
    fabricId,
    recoveryKey,
    certificateSerial: "aa",
    joinState: joinStates.issue(agentId, { sequence: 1, nonce }),
  };
}

test("three recoveries in 90 days go by themselves; when the first is 90 days old it counts no more (R7)", async () => {
  const agent = await anInstallation();
  const startedAt = agent.clock.now().getTime();
  let { disk } = agent;
  for (let count = 0; count < 3; count += 1) {
    disk = await agent.recover(disk);
    agent.clock.advance(10 * day);
  }
  await expect(agent.recover(disk)).rejects.toMatchObject({ code: "RECOVERY_LIMIT_REACHED" });
  const countAt = async (ms: number): Promise<number | undefined> =>
    (await createRecoveries(store).state(disk.agentId, new Date(startedAt + ms)))?.recentAutomatic;
  expect(await countAt(90 * day - 1)).toBe(3);
  expect(await countAt(90 * day)).toBe(2);
});

test("an agent comes back by itself for 30 days after its certificate ended, and not a moment longer (R7)", async () => {
  const agent = await anInstallation();
  const disk = await agent.recover(agent.disk);
  const [{ notAfter } = { notAfter: new Date() }] = await history.ofAgent({ ...disk, org: "acme" }, forever);
  agent.clock.advance(notAfter.getTime() + 30 * day + 1 - agent.clock.now().getTime());
  await expect(agent.recover(disk)).rejects.toMatchObject({ code: "RECOVERY_TOO_LATE" });
  const inTime = await anInstallation();
  const other = await inTime.recover(inTime.disk);
  const [{ notAfter: end } = { notAfter: new Date() }] = await history.ofAgent({ ...other, org: "acme" }, forever);
  inTime.clock.advance(end.getTime() + 30 * day - inTime.clock.now().getTime());
  expect((await inTime.recover(other)).certificateSerial).not.toBe(other.certificateSerial);
});

test("a challenge is refused at the instant it expires, and repeats its answer for ten minutes", async () => {
  const agent = await anInstallation();
  const expired = agent.challenge();
  agent.clock.advance(60_000);
  await expect(agent.answer(expired, agent.disk, await nextKeys())).rejects.toMatchObject({ code: "RECOVERY_REFUSED" });
  const challenge = agent.challenge();
  const next = await nextKeys();
  agent.clock.advance(59_999);
  const first = await agent.answer(challenge, agent.disk, next);
  agent.clock.advance(10 * 60_000 - 1);
  const again = await agent.answer(challenge, agent.disk, next);
  expect(again).toMatchObject({ isReplay: true, joinState: first.joinState });
  expect(again.certificate.serialNumber).toBe(first.certificate.serialNumber);
  agent.clock.advance(1);
  await expect(agent.answer(challenge, agent.disk, next)).rejects.toMatchObject({ code: "RECOVERY_REFUSED" });
});

test("what was admitted and never answered is looked at again before it is finished", async () => {
  const agent = await anInstallation();
  const [challenge, next] = [agent.challenge(), await nextKeys()];
  const first = await agent.answer(challenge, agent.disk, next);
  // As a crash between the two transactions leaves it.
  await sql`UPDATE recovery SET issued_at = NULL, certificate_serial = NULL, certificate_chain_der = NULL,
    certificate_not_after = NULL, collector_certificate_serial = NULL, collector_certificate_chain_der = NULL,
    collector_certificate_not_after = NULL WHERE agent_id = ${agent.disk.agentId}`.execute(store.db);
  await createRecoveries(store).lock(agent.disk.agentId, agent.clock.now());
  await expect(agent.answer(challenge, agent.disk, next)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  await sql`UPDATE recovery_state SET locked_at = NULL WHERE agent_id = ${agent.disk.agentId}`.execute(store.db);
  const again = await agent.answer(challenge, agent.disk, next);
  expect(again.certificate.serialNumber).toBe(first.certificate.serialNumber);
});

test("a challenge that was answered with a refusal is spent", async () => {
  const agent = await anInstallation();
  await sql`UPDATE recovery_state SET mode = 'manual' WHERE agent_id = ${agent.disk.agentId}`.execute(store.db);
  const challenge = agent.challenge();
  const next = await nextKeys();
  await expect(agent.answer(challenge, agent.disk, next)).rejects.toMatchObject({ code: "RECOVERY_MANUAL_ONLY" });
  await sql`UPDATE recovery_state SET mode = 'relaxed' WHERE agent_id = ${agent.disk.agentId}`.execute(store.db);
  await expect(agent.answer(challenge, agent.disk, next)).rejects.toMatchObject({ code: "RECOVERY_REFUSED" });
  expect((await agent.recover(agent.disk)).joinState).not.toBe(agent.disk.joinState);
});

test("an altered CSR is named only to who has proven himself", async () => {
  const agent = await anInstallation();
  const one = (await nextKeys()).csrDer;
  const same = { csrDer: one, monitoringCsrDer: one };
  await expect(agent.answer(agent.challenge(), agent.disk, same)).rejects.toMatchObject({ code: "CSR_KEYS_EQUAL" });
  const stranger = { ...agent.disk, recoveryKey: await generateKeyPair() };
  await expect(agent.answer(agent.challenge(), stranger, same)).rejects.toMatchObject({ code: "RECOVERY_REFUSED" });
});

test("recovering writes no secret into the database", async () => {
  const agent = await anInstallation();
  const disk = await agent.recover(agent.disk);
  const mac = Buffer.from(disk.joinState.slice("js1.".length), "base64url").subarray(24).toString("hex");
  const rows = await sql<{ row: string }>`SELECT recovery::text AS row FROM recovery
    UNION ALL SELECT recovery_state::text FROM recovery_state`.execute(store.db);
  expect(rows.rows.length).toBeGreaterThan(1);
  for (const { row } of rows.rows) expect(row.includes(mac) || row.includes(disk.joinState)).toBe(false);
});
