import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  CertificateAuthorityServiceClient,
  CertificateState,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { openStore, sql } from "@drawbridge/store";
import { createTestLogger } from "@drawbridge/testkit";
import { createJoinStates } from "../src/domain/join-state.ts";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createFabricCertificates } from "../src/clients/fabric-certificates.ts";
import { checkActivationRequest } from "../src/domain/activation-request.ts";
import { parseActivationToken } from "../src/domain/activation-token.ts";
import { createDischargeRevocations } from "../src/domain/discharge-revocations.ts";
import { createRedeemActivation, type FabricCertificates } from "../src/domain/redeem-activation.ts";
import type { ActivationDatabase } from "../src/store/database.ts";
import { createFabricFacts } from "../src/store/fabric-facts.ts";
import { createRedemptions } from "../src/store/redemptions.ts";
import { createRevocationDuties } from "../src/store/revocation-duties.ts";
import { anActivation, aTokenRequest, startEnvironment, type Environment, type RunningService } from "./harness.ts";

// Deletions are told to activation's own tables here, never to NATS: what is revoked, activation revoked.

let environment: Environment;
let service: RunningService;
const { logger } = createTestLogger();

beforeAll(async () => {
  environment = await startEnvironment();
  service = await environment.startService();
}, 180_000);

afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  await environment?.[Symbol.asyncDispose]();
}, 60_000);

async function certAuthorityAs(name: string) {
  const dir = join(environment.certAuthority.identitiesDir, name);
  const client = createGrpcClient(CertificateAuthorityServiceClient, {
    address: environment.certAuthority.address,
    identity: new IdentityHolder(await loadIdentityDir(dir, new Date())),
    expectedServer: "/cp/cert-authority",
    logger,
  });
  onTestFinished(() => client.stop(AbortSignal.timeout(1_000)));
  return client;
}

/** The parts of activation, on the same tables and the same cert-authority as the running service. */
async function parts() {
  const store = openStore<ActivationDatabase>({ url: environment.database.url, schema: "activation", logger });
  onTestFinished(() => store.stop(AbortSignal.timeout(1_000)));
  const certificates = createFabricCertificates(await certAuthorityAs("activation"));
  const dischargeRevocations = createDischargeRevocations({ duties: createRevocationDuties(store), certificates });
  const facts = createFabricFacts(store);
  const redemptions = createRedemptions(store);
  return {
    store,
    redemptions,
    dischargeRevocations,
    deleteFabric: (fabricId: string) => facts.fabricDeleted({ eventId: uuidV7Ids.next(), fabricId, now: new Date() }),
    redeemWith: (issue: FabricCertificates["issue"]) =>
      createRedeemActivation({
        redemptions,
        certificates: { issue },
        dischargeRevocations,
        joinStates: createJoinStates([randomBytes(32)]),
        newJoinNonce: () => randomBytes(16),
        clock: systemClock,
        ids: uuidV7Ids,
        logger,
      }),
    issue: ((request, signal) => certificates.issue(request, signal)) satisfies FabricCertificates["issue"],
  };
}

async function statesOf(fabricId: string): Promise<readonly CertificateState[]> {
  const { call } = await certAuthorityAs("management-api");
  const { certificates } = await call.listCertificates({
    fabricId,
    spiffeId: "",
    unexpiredOnly: false,
    pageSize: 10,
    pageToken: "",
  });
  return certificates.map(({ state }) => state);
}

const caller = { remoteAddress: "127.0.0.1", signal: new AbortController().signal };
const revoked = CertificateState.CERTIFICATE_STATE_REVOKED;
const issued = CertificateState.CERTIFICATE_STATE_ISSUED;

test("a fabric deleted while its certificates are issued gets none: they are revoked, the token too (ACT 1)", async () => {
  const { redeemWith, issue, deleteFabric, redemptions, store } = await parts();
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  const fabricId = token?.fabricId ?? "";
  const request = await checkActivationRequest(await anActivation(secretToken));
  const redeem = redeemWith(async (asked, signal) => {
    const chain = await issue(asked, signal);
    await deleteFabric(fabricId);
    return chain;
  });
  await expect(redeem(request, caller)).rejects.toMatchObject({ code: "ACTIVATION_TOKEN_REVOKED" });
  expect(await statesOf(fabricId)).toEqual([revoked, revoked]);
  expect((await redemptions.find(token?.tokenId ?? ""))?.enrolment?.state).toBe("closed");
  expect(await store.db.selectFrom("revocation_duty").selectAll().where("fabric_id", "=", fabricId).execute()).toEqual(
    [],
  );
  await expect(redeem(request, caller)).rejects.toMatchObject({ code: "ACTIVATION_TOKEN_REVOKED" });
});

test("what could not be revoked while cert-authority was away is revoked when it is back", async () => {
  const { redeemWith, issue, deleteFabric } = await parts();
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  const fabricId = token?.fabricId ?? "";
  let answers = 0;
  const redeem = redeemWith(async (asked, signal) => {
    const chain = await issue(asked, signal);
    answers += 1;
    if (answers === 2) {
      await deleteFabric(fabricId);
      await environment.certAuthority.kill();
    }
    return chain;
  });
  const request = await checkActivationRequest(await anActivation(secretToken));
  await expect(redeem(request, caller)).rejects.toMatchObject({ code: "ACTIVATION_TOKEN_REVOKED" });
  await environment.certAuthority.start();
  // By the service's own loop.
  await expect.poll(() => statesOf(fabricId)).toEqual([revoked, revoked]);
}, 90_000);

test("a fabric deleted after its activation loses the certificates that were issued for it, however often it is told", async () => {
  const { deleteFabric, dischargeRevocations } = await parts();
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  const fabricId = token?.fabricId ?? "";
  const request = await anActivation(secretToken);
  await service.activate(request);
  expect(await statesOf(fabricId)).toEqual([issued, issued]);
  for (let told = 0; told < 2; told += 1) {
    await deleteFabric(fabricId);
    await dischargeRevocations(fabricId);
    expect(await statesOf(fabricId)).toEqual([revoked, revoked]);
  }
  await expect(service.activate(request)).rejects.toMatchObject({ code: "ACTIVATION_TOKEN_REVOKED" });
});

test("no token is made for a fabric whose deletion came first", async () => {
  const { deleteFabric } = await parts();
  const request = aTokenRequest();
  await deleteFabric(request.fabricId);
  await expect(service.tokens.createActivationToken(request)).rejects.toMatchObject({
    kind: "not_found",
    code: "FABRIC_NOT_FOUND",
  });
});

test("a token that is unused although its fabric is gone is refused, and the statement that consumes it refuses too", async () => {
  const { store, redemptions } = await parts();
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  await sql`INSERT INTO deleted_fabric VALUES (${token?.fabricId}, now())`.execute(store.db);
  const activation = await anActivation(secretToken);
  await expect(service.activate(activation)).rejects.toMatchObject({ code: "ACTIVATION_TOKEN_REVOKED" });
  const presented = parseActivationToken(secretToken);
  const { keys, recoveryKeySpkiDer, agentVersion } = await checkActivationRequest(activation);
  const enrolment = {
    ...keys,
    recoveryKeySpkiDer,
    agentVersion,
    ...caller,
    joinNonce: randomBytes(16),
    enrolledAt: new Date(),
  };
  const ids = { agentId: uuidV7Ids.next(), tokenId: presented.tokenId };
  expect(await redemptions.consume(presented, { ...enrolment, ...ids }, new Date())).toBeUndefined();
});
