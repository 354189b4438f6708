import { expect, test } from "vitest";
import { adminPassword, startApi } from "./support/start-api.ts";
import { openTestStore } from "./support/open-store.ts";
import { aManifest } from "./support/stand-in-config-resolver.ts";

test("no secret is in the logs, the audit log or the answers that follow (design R4)", async () => {
  await using world = await startApi();
  const call = (method: string, path: string, options: object = {}) =>
    world.api.call(method, path, { token: world.adminToken, ...options });
  const secrets = new Set([adminPassword, world.adminToken.split(".")[2] ?? ""]);
  const addToken = (token: string): void => void secrets.add(token.split(".")[2] ?? "");

  await call("POST", "/v1/users", { body: { username: "anna", password: "a secret password 1" } });
  await call("PUT", "/v1/users/anna/password", { body: { newPassword: "a secret password 2" } });
  await call("POST", "/v1/sessions", { body: { username: "anna", password: "a secret password 3" } });
  await call("POST", "/v1/sessions", { body: { username: "a secret password 4", password: "oops, wrong field" } });
  await call("POST", "/v1/users", {
    body: { username: "bea", password: "a secret password 5", extra: "a secret password 6" },
  });
  addToken((await call("POST", "/v1/api-tokens", { body: {} })).json.token);
  addToken(
    (await call("POST", "/v1/fabric-tokens", { body: { fabric: "edge", environments: ["production"] } })).json.token,
  );
  const bundleDigest = world.configResolver.addBundle(
    aManifest({ configuration: { properties: { KEY: { secret: true, pattern: "[0-9]+" }, PLAIN: {} } } }),
  );
  const app = "/v1/environments/production/apps/hello";
  const shown = await call("PUT", app, {
    body: { fabric: "edge", bundleDigest, secureProperties: { KEY: "314159265" } },
  });
  await call("PUT", app, {
    body: { bundleDigest, secureProperties: { KEY: "a secret value" }, properties: { PLAIN: "p" } },
  });
  await call("GET", "/v1/whoami", {
    token: "dbt1.00000000-0000-4000-8000-000000000000.thisIsNotAToken-butLooksLikeOne",
  });
  for (let index = 1; index <= 6; index += 1) secrets.add(`a secret password ${index}`);
  for (const secret of ["314159265", "a secret value", "thisIsNotAToken-butLooksLikeOne", "oops, wrong field"])
    secrets.add(secret);

  await using store = await openTestStore(world.database);
  const audit = await store.db.selectFrom("audit_record").selectAll().execute();
  const intents = await store.db.selectFrom("audit_intent").selectAll().execute();
  const places = {
    logs: JSON.stringify(world.logs.records),
    audit: JSON.stringify([audit, intents], (_key, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    ),
    app: JSON.stringify([shown.json, (await call("GET", app)).json]),
  };
  expect(world.logs.records.length).toBeGreaterThan(10);
  expect(audit.length).toBeGreaterThan(8);
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(5);
    for (const [place, text] of Object.entries(places)) expect(text, place).not.toContain(secret);
  }
});
