import { isDrawbridgeError } from "@drawbridge/errors";
import { openStore, sql } from "@drawbridge/store";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adminPassword, startApi, type TestApi } from "./support/start-api.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
});
afterAll(() => world[Symbol.asyncDispose]());

const call: TestApi["api"]["call"] = (...args) => world.api.call(...args);

describe("the first start", () => {
  test("makes the administrator, who may do everything, and records it", async () => {
    const who = await call("GET", "/v1/whoami", { token: world.adminToken });
    expect(who.json).toMatchObject({ username: "admin", bindings: [{ role: "administrator", environment: "*" }] });
    const audit = await call("GET", "/v1/audit?limit=500", { token: world.adminToken });
    expect(audit.json.items.at(-1)).toMatchObject({
      seq: 1,
      actor: "installation",
      action: "user.create",
      target: "admin",
    });
  });

  test("is refused without a password for the administrator, and says what to do", async () => {
    const error = await startApi({ noPassword: true }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(isDrawbridgeError(error, "BOOTSTRAP_PASSWORD_MISSING") && error.message).toContain(
      "DRAWBRIDGE_BOOTSTRAP_ADMIN_PASSWORD_FILE",
    );
  });

  test("brings production and sandbox", async () => {
    const { json } = await call("GET", "/v1/environments", { token: world.adminToken });
    expect(json.items.map((item: { name: string }) => item.name)).toEqual(["production", "sandbox"]);
  });
});

describe("a login", () => {
  test("fails in the same words for a wrong password and for a user who does not exist", async () => {
    const wrong = await call("POST", "/v1/sessions", { body: { username: "admin", password: "wrong" } });
    const unknown = await call("POST", "/v1/sessions", { body: { username: "nobody", password: "wrong" } });
    expect(wrong.status).toBe(401);
    expect(wrong.json.code).toBe("LOGIN_FAILED");
    expect(unknown.json).toEqual(wrong.json);
    expect(wrong.headers["www-authenticate"]).toBe("Bearer");
  });

  test("is refused for a while after too many failures, also with the right password, and says how long", async () => {
    await world.createUser("slow", []);
    const attempt = (password: string) => call("POST", "/v1/sessions", { body: { username: "slow", password } });
    for (let index = 0; index < 5; index += 1) expect((await attempt("wrong")).status).toBe(401);
    // The first waits are short, and may be over on a slow machine; they double.
    while ((await attempt("wrong")).status !== 429);
    const throttled = await attempt("password of slow");
    expect(throttled.status).toBe(429);
    expect(throttled.json.code).toBe("LOGIN_THROTTLED");
    expect(Number(throttled.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(throttled.json.retryAfterMs).toBeGreaterThan(0);
  });

  test("ends with DELETE /v1/sessions/current at once", async () => {
    const token = await world.login("admin", adminPassword);
    expect((await call("DELETE", "/v1/sessions/current", { token })).status).toBe(204);
    expect((await call("GET", "/v1/whoami", { token })).json.code).toBe("ACCESS_TOKEN_REVOKED");
  });

  test("is needed, and a token must be one of ours to the last character", async () => {
    expect((await call("GET", "/v1/whoami")).json.code).toBe("LOGIN_REQUIRED");
    const forged = world.adminToken.slice(0, -1) + (world.adminToken.endsWith("A") ? "B" : "A");
    expect((await call("GET", "/v1/whoami", { token: forged })).json.code).toBe("ACCESS_TOKEN_INVALID");
    expect((await call("GET", "/v1/whoami", { token: "nonsense" })).json.code).toBe("ACCESS_TOKEN_INVALID");
  });
});

describe("users", () => {
  test("are created once, listed by page, and deleted with their tokens", async () => {
    const token = await world.createUser("carol", [{ role: "viewer", environment: "sandbox" }]);
    const again = await call("POST", "/v1/users", {
      token: world.adminToken,
      body: { username: "carol", password: "another long one" },
    });
    expect(again.json.code).toBe("USER_EXISTS");

    const first = await call("GET", "/v1/users?limit=1", { token: world.adminToken });
    expect(first.json.items).toMatchObject([{ username: "admin" }]);
    const second = await call("GET", `/v1/users?limit=1&pageToken=${first.json.nextPageToken}`, {
      token: world.adminToken,
    });
    expect(second.json.items).toMatchObject([{ username: "carol", createdBy: "admin" }]);

    expect((await call("DELETE", "/v1/users/carol", { token: world.adminToken })).status).toBe(204);
    expect((await call("GET", "/v1/whoami", { token })).json.code).toBe("ACCESS_TOKEN_INVALID");
    expect((await call("DELETE", "/v1/users/carol", { token: world.adminToken })).json.code).toBe("USER_NOT_FOUND");
  });

  test("lose and gain roles with the next request", async () => {
    const token = await world.createUser("dora", []);
    expect((await call("GET", "/v1/apps", { token })).json.code).toBe("PERMISSION_DENIED");
    const bindings = [{ role: "viewer", environment: "production" }];
    await call("PUT", "/v1/users/dora/roles", { token: world.adminToken, body: { bindings } });
    expect((await call("GET", "/v1/apps", { token })).status).toBe(200);
    await call("PUT", "/v1/users/dora/roles", { token: world.adminToken, body: { bindings: [] } });
    expect((await call("GET", "/v1/apps", { token })).json.code).toBe("PERMISSION_DENIED");
  });

  test("get no role in an environment that does not exist", async () => {
    const bindings = [{ role: "viewer", environment: "moon" }];
    const answer = await call("PUT", "/v1/users/admin/roles", { token: world.adminToken, body: { bindings } });
    expect(answer.json).toMatchObject({ code: "ENVIRONMENT_NOT_FOUND", status: 404 });
  });

  test("always leave one administrator of everything, also when two go at once", async () => {
    const [one, other] = await Promise.all([
      call("DELETE", "/v1/users/admin", { token: world.adminToken }),
      call("PUT", "/v1/users/admin/roles", { token: world.adminToken, body: { bindings: [] } }),
    ]);
    expect([one.json.code, other.json.code]).toEqual(["LAST_ADMINISTRATOR", "LAST_ADMINISTRATOR"]);
  });

  test("change their own password with the old one, which ends all their sessions", async () => {
    const token = await world.createUser("erin", []);
    const change = (body: object) => call("PUT", "/v1/users/erin/password", { token, body });
    expect((await change({ newPassword: "a new long password" })).json.code).toBe("LOGIN_FAILED");
    expect((await change({ newPassword: "short", currentPassword: "password of erin" })).json).toMatchObject({
      code: "REQUEST_INVALID",
      errors: [{ field: "newPassword", message: "must have at least 12 characters" }],
    });
    expect((await change({ newPassword: "a new long password", currentPassword: "password of erin" })).status).toBe(
      204,
    );
    expect((await call("GET", "/v1/whoami", { token })).json.code).toBe("ACCESS_TOKEN_REVOKED");
    await expect(world.login("erin", "a new long password")).resolves.toMatch(/^dbt1\./);
  });

  test("do not change each other's passwords", async () => {
    const token = await world.createUser("finn", [{ role: "administrator", environment: "production" }]);
    const body = { newPassword: "a new long password" };
    expect((await call("PUT", "/v1/users/admin/password", { token, body })).json.code).toBe("PERMISSION_DENIED");
    expect((await call("PUT", "/v1/users/finn/password", { token: world.adminToken, body })).status).toBe(204);
  });
});

describe("API tokens", () => {
  test("act as their user, cannot make others, and are revoked at once", async () => {
    const session = await world.createUser("gina", [{ role: "viewer", environment: "production" }]);
    const made = await call("POST", "/v1/api-tokens", { token: session, body: { description: "ci", ttlDays: 1 } });
    expect(made.json.token).toMatch(/^dbt1\./);
    const { token, tokenId } = made.json;
    expect((await call("GET", "/v1/whoami", { token })).json).toMatchObject({
      username: "gina",
      token: { kind: "api", id: tokenId },
    });
    expect((await call("POST", "/v1/api-tokens", { token, body: {} })).json.code).toBe("SESSION_REQUIRED");

    const own = await call("GET", "/v1/api-tokens", { token: session });
    expect(own.json.items).toMatchObject([{ tokenId, description: "ci", revokedAt: null }]);
    expect(own.json.items[0].lastUsedAt).not.toBeNull();
    expect(JSON.stringify(own.json)).not.toContain(token.split(".")[2]);

    expect((await call("DELETE", `/v1/api-tokens/${tokenId}`, { token: session })).status).toBe(204);
    expect((await call("GET", "/v1/whoami", { token })).json.code).toBe("ACCESS_TOKEN_REVOKED");
  });

  test("of others are neither seen nor revoked, except by an administrator of everything", async () => {
    const owner = await world.createUser("hana", []);
    const other = await world.createUser("iris", [{ role: "administrator", environment: "production" }]);
    const { tokenId } = (await call("POST", "/v1/api-tokens", { token: owner, body: {} })).json;
    expect((await call("GET", "/v1/api-tokens", { token: other })).json.items).toEqual([]);
    expect((await call("DELETE", `/v1/api-tokens/${tokenId}`, { token: other })).json.code).toBe(
      "ACCESS_TOKEN_NOT_FOUND",
    );
    expect((await call("DELETE", `/v1/api-tokens/${tokenId}`, { token: world.adminToken })).status).toBe(204);
  });

  test("are not made twice by a repeated request", async () => {
    const make = () =>
      call("POST", "/v1/api-tokens", { token: world.adminToken, body: {}, headers: { "idempotency-key": "once" } });
    expect((await make()).status).toBe(201);
    expect((await make()).json.code).toBe("REQUEST_ID_REUSED");
  });

  test.each([0, 366])("live 1 to 365 days, not %i", async (ttlDays) => {
    const answer = await call("POST", "/v1/api-tokens", { token: world.adminToken, body: { ttlDays } });
    expect(answer.json).toMatchObject({ code: "REQUEST_INVALID", errors: [{ field: "ttlDays" }] });
  });
});

test("the database holds no password and no token, only their hashes", async () => {
  await using database = await openTables();
  const secret = world.adminToken.split(".")[2] ?? "";
  for (const table of ["app_user", "access_token", "audit_record"]) {
    const text = JSON.stringify(await database.rows(table));
    expect(text).not.toContain(adminPassword);
    expect(text).not.toContain(secret);
  }
});

async function openTables(): Promise<AsyncDisposable & { rows(table: string): Promise<unknown> }> {
  const { logger } = createTestLogger();
  const store = openStore<Record<string, never>>({ url: world.database.url, schema: "management_api", logger });
  await store.start(new AbortController().signal);
  return {
    rows: async (table) => (await sql`SELECT t::text FROM ${sql.table(table)} t`.execute(store.db)).rows,
    [Symbol.asyncDispose]: () => store.stop(AbortSignal.timeout(5_000)),
  };
}
