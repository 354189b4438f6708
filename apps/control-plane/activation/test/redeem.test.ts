import { X509Certificate } from "node:crypto";
import type { EventEnvelope } from "@drawbridge/contracts";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseCsr, parseSpiffeId } from "@drawbridge/pki";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  anActivation,
  aTokenRequest,
  claimsOf,
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

const refusals = (tokenId: string) => (event: EventEnvelope) =>
  event.type === "activation.token.refused.v1" && "tokenId" in event.payload && event.payload.tokenId === tokenId;
const redemptions = (tokenId: string) => (event: EventEnvelope) =>
  event.type === "activation.token.redeemed.v1" && "tokenId" in event.payload && event.payload.tokenId === tokenId;

function uriOf(der: Buffer | undefined): string {
  const [, uri = ""] = /URI:(\S+)/.exec(new X509Certificate(der ?? Buffer.alloc(0)).subjectAltName ?? "") ?? [];
  return uri;
}

/** The error of a rejected call. */
async function errorOf(call: Promise<unknown>): Promise<DrawbridgeError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof DrawbridgeError) return outcome;
  throw new Error("the call was expected to fail with a DrawbridgeError");
}

test("a token gives a tunnel and a monitoring certificate, the roots and the addresses to dial (ACT 3)", async () => {
  const request = aTokenRequest();
  const { secretToken, token } = await service.tokens.createActivationToken(request);
  const answer = await service.activate(await anActivation(secretToken));
  expect(answer).toMatchObject({
    fabricId: request.fabricId,
    fabricName: "edge-1",
    trustDomain: "drawbridge.local",
    replayed: false,
    endpoints: { tunnel: ["127.0.0.1:7420"], configResolver: "https://127.0.0.1:7430", activation: ["127.0.0.1:7410"] },
  });
  expect(answer.registryLogin).toBeUndefined();
  expect(parseSpiffeId(uriOf(answer.certificate?.certificatesDer[0]))).toMatchObject({
    kind: "agent",
    fabricId: request.fabricId,
    agentId: answer.agentId,
  });
  expect(parseSpiffeId(uriOf(answer.monitoringCertificate?.certificatesDer[0]))).toMatchObject({ kind: "collector" });
  expect(answer.certificate?.certificatesDer).toHaveLength(2);
  expect(answer.trustBundleRootsDer.length).toBeGreaterThan(0);
  const [event] = await tap.until(1, redemptions(token?.tokenId ?? ""));
  expect(event?.payload).toMatchObject({
    fabricId: request.fabricId,
    agentId: answer.agentId,
    certificateSerial: answer.certificate?.serialNumber,
    monitoringCertificateSerial: answer.monitoringCertificate?.serialNumber,
  });
});

test("of fifty agents that redeem one token at once exactly one wins, and the others are audited (ACT 1, R26 b)", async () => {
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  const requests = await Promise.all(Array.from({ length: 50 }, () => anActivation(secretToken)));
  const outcomes = await Promise.allSettled(requests.map((request) => service.activate(request)));
  const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
  expect(won).toHaveLength(1);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "ACTIVATION_TOKEN_USED" });
  }
  const tokenId = token?.tokenId ?? "";
  const refused = await tap.until(49, refusals(tokenId));
  expect(refused.every(({ payload }) => "errorCode" in payload && payload.errorCode === "ACTIVATION_TOKEN_USED")).toBe(
    true,
  );
  expect(tap.events.filter(redemptions(tokenId))).toHaveLength(1);
  const list = await service.tokens.listActivationTokens({
    fabricId: token?.fabricId ?? "",
    pageSize: 10,
    pageToken: "",
  });
  expect(list.tokens[0]?.refusedUses).toBe(49);
});

test("one agent that asks fifty times at once gets one identity, announced once (ACT 8)", async () => {
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  const answers = await Promise.all(Array.from({ length: 50 }, () => service.activate(request)));
  const identities = new Set(
    answers.map(({ agentId, certificate, monitoringCertificate }) =>
      JSON.stringify([agentId, certificate?.serialNumber, monitoringCertificate?.serialNumber]),
    ),
  );
  expect(identities.size).toBe(1);
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  await tap.until(1, redemptions(token?.tokenId ?? ""));
  expect(tap.events.filter(refusals(token?.tokenId ?? ""))).toEqual([]);
});

test("a reply that was lost is repeated for the same keys and refused to others (ACT 8)", async () => {
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  const lost = await service.activate(request);
  const again = await service.activate(request);
  expect(again).toMatchObject({ agentId: lost.agentId, replayed: true });
  expect(again.certificate).toEqual(lost.certificate);
  expect(again.monitoringCertificate).toEqual(lost.monitoringCertificate);
  const thief = await errorOf(service.activate(await anActivation(secretToken)));
  expect(thief).toMatchObject({ kind: "failed_precondition", code: "ACTIVATION_TOKEN_USED" });
  await tap.until(1, refusals(token?.tokenId ?? ""));
});

test("the tunnel key alone is not enough for a repetition: both keys must be the same", async () => {
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  await service.activate(request);
  const other = await anActivation(secretToken);
  const mixed = { ...request, monitoringCsrDer: other.monitoringCsrDer };
  expect(await errorOf(service.activate(mixed))).toMatchObject({ code: "ACTIVATION_TOKEN_USED" });
});

test("an altered token and a foreign one are the same to the caller, and both are audited", async () => {
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  const [prefix = "", claims = "", secret = ""] = secretToken.split(".");
  const otherSecret = `${secret.startsWith("A") ? "B" : "A"}${secret.slice(1)}`;
  const unknownId = crypto.randomUUID();
  const foreignClaims = Buffer.from(JSON.stringify({ ...claimsOf(secretToken), tid: unknownId })).toString("base64url");
  const laterClaims = Buffer.from(JSON.stringify({ ...claimsOf(secretToken), exp: 4_102_444_800 })).toString(
    "base64url",
  );
  const altered = await errorOf(service.activate(await anActivation([prefix, claims, otherSecret].join("."))));
  const foreign = await errorOf(service.activate(await anActivation([prefix, foreignClaims, secret].join("."))));
  const prolonged = await errorOf(service.activate(await anActivation([prefix, laterClaims, secret].join("."))));
  for (const error of [altered, foreign, prolonged]) {
    expect(error).toMatchObject({ kind: "unauthenticated", code: "ACTIVATION_TOKEN_UNKNOWN" });
  }
  expect(altered.message).toBe(foreign.message);
  await tap.until(2, refusals(token?.tokenId ?? ""));
  const [event] = await tap.until(1, refusals(unknownId));
  expect(event).toMatchObject({ scope: "unknown", payload: { fabricId: "", errorCode: "ACTIVATION_TOKEN_UNKNOWN" } });
  // None of it used the token up.
  expect((await service.activate(await anActivation(secretToken))).replayed).toBe(false);
});

test.each([
  { what: "an empty text", change: () => "" },
  { what: "a token cut in its secret", change: (token: string) => token.slice(0, -1) },
  { what: "a token cut in its claims", change: (token: string) => token.slice(0, 40) },
  { what: "a token with a letter too many", change: (token: string) => `${token}A` },
  { what: "something else", change: () => "dbt1.abc.def" },
])("$what is malformed, and audited without an id", async ({ change }) => {
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const before = tap.events.filter(refusals("")).length;
  const error = await errorOf(service.activate(await anActivation(change(secretToken))));
  expect(error).toMatchObject({ kind: "invalid_argument", code: "ACTIVATION_TOKEN_MALFORMED" });
  const found = await tap.until(before + 1, refusals(""));
  expect(found.at(-1)).toMatchObject({ scope: "unknown", payload: { errorCode: "ACTIVATION_TOKEN_MALFORMED" } });
});

test("a revoked token is refused with its own code, and the revocation is announced once", async () => {
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest());
  const tokenId = token?.tokenId ?? "";
  await service.tokens.revokeActivationToken({ tokenId });
  await service.tokens.revokeActivationToken({ tokenId });
  const error = await errorOf(service.activate(await anActivation(secretToken)));
  expect(error).toMatchObject({ kind: "failed_precondition", code: "ACTIVATION_TOKEN_REVOKED" });
  await tap.until(1, refusals(tokenId));
  expect(
    tap.events.filter(
      ({ type, payload }) =>
        type === "activation.token.revoked.v1" && "tokenId" in payload && payload.tokenId === tokenId,
    ),
  ).toHaveLength(1);
});

test("a CSR that asks for names is refused and does not use the token up", async () => {
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  const broken = await errorOf(service.activate({ ...request, csrDer: Buffer.from("not a csr") }));
  expect(broken).toMatchObject({ kind: "invalid_argument", code: "CSR_MALFORMED" });
  const oneKey = await errorOf(service.activate({ ...request, monitoringCsrDer: request.csrDer }));
  expect(oneKey).toMatchObject({ code: "CSR_KEYS_EQUAL" });
  expect((await service.activate(request)).replayed).toBe(false);
});

test("no secret of a token ever reaches the log (R4)", async () => {
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  await service.activate(request);
  await errorOf(service.activate(await anActivation(secretToken)));
  await errorOf(service.activate({ ...request, token: secretToken.slice(0, -1) }));
  const [, claims = "", secret = ""] = secretToken.split(".");
  const log = JSON.stringify(service.log.records) + environment.certAuthority.output();
  expect(log).not.toContain(secret);
  expect(log).not.toContain(secret.slice(0, -1));
  expect(log).not.toContain(claims);
  expect(log).toContain(claimsOf(secretToken).tid);
});

test("a token for other networks is refused with the address that was seen, audited, and not used up (R3)", async () => {
  const elsewhere = aTokenRequest({ allowedNetworks: ["10.0.0.0/8", "2001:db8::/32"] });
  const { secretToken, token } = await service.tokens.createActivationToken(elsewhere);
  expect(token?.allowedNetworks).toEqual(["10.0.0.0/8", "2001:db8::/32"]);
  const error = await errorOf(service.activate(await anActivation(secretToken)));
  expect(error).toMatchObject({ kind: "permission_denied", code: "ACTIVATION_SOURCE_REFUSED" });
  expect(error.message).toContain("127.0.0.1");
  const [event] = await tap.until(1, refusals(token?.tokenId ?? ""));
  expect(event?.payload).toMatchObject({ errorCode: "ACTIVATION_SOURCE_REFUSED", remoteAddress: "127.0.0.1" });
  const { tokens } = await service.tokens.listActivationTokens({
    fabricId: elsewhere.fabricId,
    pageSize: 10,
    pageToken: "",
  });
  expect(tokens[0]).toMatchObject({ redeemedAt: undefined, allowedNetworks: ["10.0.0.0/8", "2001:db8::/32"] });
});

test("a token for the caller's network is redeemed (R3)", async () => {
  const request = aTokenRequest({ allowedNetworks: ["127.0.0.0/8"] });
  const { secretToken } = await service.tokens.createActivationToken(request);
  await expect(service.activate(await anActivation(secretToken))).resolves.toMatchObject({ replayed: false });
});

test("a token for what is no network is not made (R3)", async () => {
  const request = aTokenRequest({ allowedNetworks: ["10.0.0.0/8", "10.0.0.0/33"] });
  await expect(service.tokens.createActivationToken(request)).rejects.toMatchObject({
    code: "REQUEST_INVALID",
    details: { "field:allowedNetworks.1": expect.stringContaining("is not a network") as string },
  });
});

test("a token for a key that was told before is redeemed with it and with no other (R3)", async () => {
  const agent = await anActivation("");
  const { spkiSha256: keySha256 } = await parseCsr(agent.csrDer);
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest({ keySha256 }));
  expect(token?.keySha256).toBe(keySha256);
  await expect(service.activate(await anActivation(secretToken))).rejects.toMatchObject({
    code: "ACTIVATION_KEY_REFUSED",
  });
  const [event] = await tap.until(1, refusals(token?.tokenId ?? ""));
  expect(event?.payload).toMatchObject({ errorCode: "ACTIVATION_KEY_REFUSED" });
  await expect(service.activate({ ...agent, token: secretToken })).resolves.toMatchObject({ replayed: false });
});
