import { createHash } from "node:crypto";
import { ActivationTokenState } from "@drawbridge/contracts/activation/v1/activation_token_service";
import type { EventEnvelope } from "@drawbridge/contracts";
import { createCsr, generateKeyPair, parseCsr } from "@drawbridge/pki";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  anActivation,
  aTokenRequest,
  startEnvironment,
  tapEvents,
  type Environment,
  type EventTap,
  type RunningService,
} from "./harness.ts";

let environment: Environment;
let service: RunningService;
let tap: EventTap;

beforeAll(async () => {
  environment = await startEnvironment();
  service = await environment.startService();
  tap = await tapEvents(environment.bus);
}, 180_000);

afterAll(async () => {
  await tap?.[Symbol.asyncDispose]();
  await service?.[Symbol.asyncDispose]();
  await environment?.[Symbol.asyncDispose]();
}, 60_000);

const keyOf = async ({ csrDer }: { readonly csrDer: Buffer }): Promise<string> => (await parseCsr(csrDer)).spkiSha256;
const refusals = (tokenId: string) => (event: EventEnvelope) =>
  event.type === "activation.token.refused.v1" && "tokenId" in event.payload && event.payload.tokenId === tokenId;

async function aHeldAgent() {
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest({ requiresApproval: true }));
  const request = await anActivation(secretToken);
  await expect(service.activate(request)).rejects.toMatchObject({ code: "ACTIVATION_NOT_APPROVED" });
  return { request, secretToken, tokenId: token?.tokenId ?? "", keySha256: await keyOf(request) };
}

async function show(tokenId: string) {
  const { token } = await service.tokens.getActivationToken({ tokenId });
  return token;
}

test("an agent waits, is shown with key and address, and is let in by somebody else with the same call (R3)", async () => {
  const { request, tokenId, keySha256 } = await aHeldAgent();
  const again = service.activate(request);
  await expect(again).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "ACTIVATION_NOT_APPROVED",
    retryAfterMs: 5_000,
    message: expect.stringContaining(`fabric token approve ${tokenId} --key ${keySha256}`) as string,
  });
  expect(await show(tokenId)).toMatchObject({
    state: ActivationTokenState.ACTIVATION_TOKEN_STATE_UNUSED,
    requiresApproval: true,
    approvedBy: "",
    applicants: [{ keySha256, remoteAddress: "127.0.0.1", agentVersion: "0.1.0" }],
  });
  const [event] = await tap.until(1, refusals(tokenId));
  expect(event?.payload).toMatchObject({ errorCode: "ACTIVATION_NOT_APPROVED", keySha256 });

  const { token } = await service.tokens.approveActivationToken({ tokenId, keySha256, approvedBy: "bob" });
  expect(token).toMatchObject({
    approvedBy: "bob",
    approvedKeySha256: keySha256,
    approvedAt: expect.any(Date) as Date,
  });
  await expect(service.activate(request)).resolves.toMatchObject({ replayed: false });
  await expect(service.activate(request)).resolves.toMatchObject({ replayed: true });
  // Asked four times, audited once: polling does not fill the audit log.
  expect(tap.events.filter(refusals(tokenId))).toHaveLength(1);
});

test("whoever made the token does not approve its agent (R3)", async () => {
  const { request, tokenId, keySha256 } = await aHeldAgent();
  await expect(
    service.tokens.approveActivationToken({ tokenId, keySha256, approvedBy: "alice" }),
  ).rejects.toMatchObject({ kind: "permission_denied", code: "ACTIVATION_APPROVAL_BY_CREATOR" });
  await expect(service.activate(request)).rejects.toMatchObject({ code: "ACTIVATION_NOT_APPROVED" });
});

test("a thief who asks first does not get in when the true agent's key is approved (R3)", async () => {
  const { request: thief, secretToken, tokenId } = await aHeldAgent();
  const request = await anActivation(secretToken);
  const keySha256 = await keyOf(request);
  await expect(service.activate(request)).rejects.toMatchObject({ code: "ACTIVATION_NOT_APPROVED" });
  expect((await show(tokenId))?.applicants).toHaveLength(2);
  await service.tokens.approveActivationToken({ tokenId, keySha256, approvedBy: "bob" });
  await expect(service.activate(thief)).rejects.toMatchObject({ code: "ACTIVATION_KEY_REFUSED" });
  await expect(service.activate(request)).resolves.toMatchObject({ replayed: false });
  await expect(service.activate(thief)).rejects.toMatchObject({ code: "ACTIVATION_TOKEN_USED" });
});

test("of two operators who approve different agents at once one wins, and only that agent gets in (R3)", async () => {
  const { request: first, secretToken, tokenId } = await aHeldAgent();
  const second = await anActivation(secretToken);
  await expect(service.activate(second)).rejects.toMatchObject({ code: "ACTIVATION_NOT_APPROVED" });
  const approvals = await Promise.allSettled(
    [first, second].map(async (request) =>
      service.tokens.approveActivationToken({ tokenId, keySha256: await keyOf(request), approvedBy: "bob" }),
    ),
  );
  expect(approvals.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  const entries = await Promise.allSettled([service.activate(first), service.activate(second)]);
  expect(entries.map(({ status }) => status)).toEqual(approvals.map(({ status }) => status));
});

test("at most eight agents wait with one token, however many ask at once; the others are refused and audited (R3)", async () => {
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest({ requiresApproval: true }));
  const tokenId = token?.tokenId ?? "";
  const requests = await Promise.all(Array.from({ length: 12 }, () => anActivation(secretToken)));
  const outcomes = await Promise.allSettled(requests.map((request) => service.activate(request)));
  const codes = outcomes.map((outcome) =>
    outcome.status === "rejected" ? (outcome.reason as { code: string }).code : "",
  );
  expect(codes.filter((code) => code === "ACTIVATION_NOT_APPROVED")).toHaveLength(8);
  expect(codes.filter((code) => code === "ACTIVATION_TOO_MANY_APPLICANTS")).toHaveLength(4);
  expect((await show(tokenId))?.applicants).toHaveLength(8);
  await tap.until(12, refusals(tokenId));
});

test("a key that never asked is not approved, and a token without the rule needs no approval (R3)", async () => {
  const { tokenId } = await aHeldAgent();
  const stranger = createHash("sha256").update("stranger").digest("hex");
  await expect(
    service.tokens.approveActivationToken({ tokenId, keySha256: stranger, approvedBy: "bob" }),
  ).rejects.toMatchObject({ code: "ACTIVATION_APPLICANT_NOT_FOUND" });
  const { token } = await service.tokens.createActivationToken(aTokenRequest());
  await expect(
    service.tokens.approveActivationToken({ tokenId: token?.tokenId ?? "", keySha256: stranger, approvedBy: "bob" }),
  ).rejects.toMatchObject({ code: "ACTIVATION_APPROVAL_NOT_NEEDED" });
});

test("a revoked token lets in nobody, approved or not (R3)", async () => {
  const { request, tokenId, keySha256 } = await aHeldAgent();
  await service.tokens.approveActivationToken({ tokenId, keySha256, approvedBy: "bob" });
  await service.tokens.revokeActivationToken({ tokenId });
  await expect(service.activate(request)).rejects.toMatchObject({ code: "ACTIVATION_TOKEN_REVOKED" });
});

test("the same tunnel key with another monitoring key is the approved agent all the same (R3)", async () => {
  const { request, tokenId, keySha256 } = await aHeldAgent();
  await service.tokens.approveActivationToken({ tokenId, keySha256, approvedBy: "bob" });
  const monitoringCsrDer = Buffer.from(await createCsr(await generateKeyPair()));
  await expect(service.activate({ ...request, monitoringCsrDer })).resolves.toMatchObject({ replayed: false });
});
