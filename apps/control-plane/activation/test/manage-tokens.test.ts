import { join } from "node:path";
import {
  ActivationTokenServiceClient,
  ActivationTokenState,
} from "@drawbridge/contracts/activation/v1/activation_token_service";
import { clientTlsOptions, IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { openStore, sql } from "@drawbridge/store";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  anActivation,
  aTokenRequest,
  claimsOf,
  startEnvironment,
  type Environment,
  type RunningService,
} from "./harness.ts";

let environment: Environment;
let service: RunningService;

beforeAll(async () => {
  environment = await startEnvironment();
  service = await environment.startService();
}, 180_000);

afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  await environment?.[Symbol.asyncDispose]();
}, 60_000);

test("a token says where to go, how long it lives and which roots to trust, and lives 30 minutes by default (R3)", async () => {
  const { token, secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const claims = claimsOf(secretToken);
  expect(claims).toMatchObject({ v: 1, cp: "127.0.0.1:7410", tid: token?.tokenId });
  expect(claims.exp * 1000).toBe(token?.expiresAt?.getTime());
  expect((token?.expiresAt?.getTime() ?? 0) - (token?.createdAt?.getTime() ?? 0)).toBe(1_800_000);
  expect(claims.pins).toHaveLength(1);
  expect(token?.state).toBe(ActivationTokenState.ACTIVATION_TOKEN_STATE_UNUSED);
});

test("the same request makes no second token", async () => {
  const request = aTokenRequest();
  await service.tokens.createActivationToken(request);
  await expect(service.tokens.createActivationToken(request)).rejects.toMatchObject({
    kind: "already_exists",
    code: "REQUEST_ID_REUSED",
  });
  const list = await service.tokens.listActivationTokens({ fabricId: request.fabricId, pageSize: 0, pageToken: "" });
  expect(list.tokens).toHaveLength(1);
});

test.each([299, 86_401])("a life of %i seconds is refused", async (ttlSeconds) => {
  await expect(service.tokens.createActivationToken(aTokenRequest({ ttlSeconds }))).rejects.toMatchObject({
    kind: "invalid_argument",
    code: "TOKEN_TTL_OUT_OF_RANGE",
  });
});

test("a request with wrong fields names them", async () => {
  await expect(
    service.tokens.createActivationToken({ ...aTokenRequest(), fabricId: "x", org: "Not A Slug" }),
  ).rejects.toMatchObject({
    code: "REQUEST_INVALID",
    details: { "field:fabricId": expect.any(String) as string, "field:org": expect.any(String) as string },
  });
});

test("tokens are listed newest first, page by page, without their secrets", async () => {
  const request = aTokenRequest();
  const made: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    const { token } = await service.tokens.createActivationToken({ ...request, requestId: crypto.randomUUID() });
    made.unshift(token?.tokenId ?? "");
  }
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await service.tokens.listActivationTokens({ fabricId: request.fabricId, pageSize: 2, pageToken });
    seen.push(...page.tokens.map(({ tokenId }) => tokenId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(made);
});

test("a redeemed token shows its agent and cannot be revoked", async () => {
  const { token, secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const { agentId } = await service.activate(await anActivation(secretToken));
  const tokenId = token?.tokenId ?? "";
  await expect(service.tokens.revokeActivationToken({ tokenId })).rejects.toMatchObject({
    code: "ACTIVATION_TOKEN_USED",
    message: expect.stringContaining("drawbridge fabric delete edge-1") as string,
  });
  const list = await service.tokens.listActivationTokens({
    fabricId: token?.fabricId ?? "",
    pageSize: 1,
    pageToken: "",
  });
  expect(list.tokens[0]).toMatchObject({ agentId, state: ActivationTokenState.ACTIVATION_TOKEN_STATE_REDEEMED });
});

test("revoking a token that is not there says so", async () => {
  await expect(service.tokens.revokeActivationToken({ tokenId: crypto.randomUUID() })).rejects.toMatchObject({
    kind: "not_found",
    code: "ACTIVATION_TOKEN_NOT_FOUND",
  });
});

test.each(["activation", "runtime-manager"])("the service %s may not manage tokens", async (name) => {
  const identity = new IdentityHolder(
    await loadIdentityDir(join(environment.certAuthority.identitiesDir, name), new Date()),
  );
  const client = createGrpcClient(ActivationTokenServiceClient, {
    address: `127.0.0.1:${service.internalPort}`,
    identity,
    expectedServer: "/cp/activation",
    logger: createTestLogger().logger,
  });
  onTestFinished(() => client.stop(AbortSignal.timeout(1_000)));
  await expect(client.call.createActivationToken(aTokenRequest())).rejects.toMatchObject({
    code: "CALLER_NOT_ALLOWED",
  });
});

test("the listener for fabrics does not know token management", async () => {
  const { trustBundle } = await loadIdentityDir(
    join(environment.certAuthority.identitiesDir, "activation"),
    new Date(),
  );
  const client = createGrpcClient(ActivationTokenServiceClient, {
    address: `127.0.0.1:${service.fabricPort}`,
    identity: { tlsOptions: clientTlsOptions({ trustBundle }, { expectedServer: "/cp/activation" }) },
    expectedServer: "/cp/activation",
    logger: createTestLogger().logger,
  });
  onTestFinished(() => client.stop(AbortSignal.timeout(1_000)));
  await expect(client.call.createActivationToken(aTokenRequest())).rejects.toMatchObject({ kind: "unimplemented" });
});

test("the database holds a hash and nothing that a token could be made from (ACT 1)", async () => {
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const [, , secret = ""] = secretToken.split(".");
  const store = openStore<object>({
    url: environment.database.url,
    schema: "activation",
    logger: createTestLogger().logger,
  });
  onTestFinished(() => store.stop(AbortSignal.timeout(1_000)));
  const dump = await sql<{ row: string }>`
    SELECT activation_token::text AS row FROM activation_token UNION ALL SELECT outbox::text FROM outbox
  `.execute(store.db);
  const text = dump.rows.map(({ row }) => row).join("\n");
  expect(text).toContain(claimsOf(secretToken).tid);
  expect(text).not.toContain(secret);
  expect(text).not.toContain(Buffer.from(secret, "base64url").toString("hex"));
});
