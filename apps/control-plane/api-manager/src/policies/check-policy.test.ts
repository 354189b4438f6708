import { expect, test } from "vitest";
import { checkPolicy } from "./check-policy.ts";

const candidate = (type: string, configuration: unknown) => ({
  type,
  configuration,
  conditions: [],
  assets: new Map(),
  now: new Date(),
});

test("a policy is tried as it would be stored: with hashes in the place of passwords", async () => {
  const users = [{ username: "ann", password: "correct horse" }];
  const { problems, prepared } = await checkPolicy(candidate("basic-authentication", { users }));
  expect(problems).toStrictEqual([]);
  expect(prepared).toMatchObject({ users: [{ username: "ann", passwordHash: expect.stringMatching(/^\$scrypt\$/) }] });
  expect(JSON.stringify(prepared)).not.toContain("correct horse");
});

test.each([
  ["basic-authentication", { users: [{ username: "ann" }] }, "configuration.users[0].password"],
  ["jwt-validation", { issuers: ["me"] }, "configuration.keys"],
  ["retry", { attempts: 1 }, "configuration.attempts"],
])("a configuration that fails names the field and is not stored: %s %j", async (type, configuration, field) => {
  const { problems, prepared } = await checkPolicy(candidate(type, configuration));
  expect(problems.map((problem) => problem.field)).toContain(field);
  expect(prepared).toBeUndefined();
});

test("a module of a custom policy is looked at but not run, and must be among the assets", async () => {
  const configuration = { module: "0".repeat(64), signature: "a..b" };
  const { problems } = await checkPolicy(candidate("custom", configuration));
  expect(problems).toStrictEqual([{ field: "configuration.module", message: "is not among the assets of the policy" }]);
});

/** A CA until 2021. */
const expiredCa = `-----BEGIN CERTIFICATE-----\n${
  "MIIBMzCB26ADAgECAhBpJld1v+hn+cCyfbKV1/4OMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMTB2V4cGlyZWQwHhcNMjAwMTAxMDAw" +
  "MDAwWhcNMjEwMTAxMDAwMDAwWjASMRAwDgYDVQQDEwdleHBpcmVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETs2kG4t7l0Cn" +
  "9hlWWrOmWkukPp4Gx1T2COeB0EXezLomrGofg6O/yCJjOZIKtZd7KnBQ06qZ5W0Z/T9tXDmg0KMTMBEwDwYDVR0TAQH/BAUwAwEB" +
  "/zAKBggqhkjOPQQDAgNHADBEAiAM+uCAjwQrK++JDDOfBthyc9Ru1jrbS2j667JX++wJ9AIgB/D9DYjTH0xrGe4aR8/sK2gm/obv" +
  "PdW5+wI/dGqKRU8="
}\n-----END CERTIFICATE-----\n`;

test("a CA of an issuer that has expired keeps a policy from being saved, but not from being kept disabled", async () => {
  const policy = candidate("oauth2-introspection", {
    endpoint: "https://issuer.example.com/introspect",
    clientId: "gateway",
    clientSecret: "secret",
    caCertificates: [expiredCa],
  });
  expect((await checkPolicy(policy)).problems).toStrictEqual([
    { field: "configuration.caCertificates[0]", message: "has expired, on 2021-01-01T00:00:00.000Z" },
  ]);
  expect((await checkPolicy({ ...policy, now: undefined })).problems).toStrictEqual([]);
});
