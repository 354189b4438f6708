import { generateKeyPairSync } from "node:crypto";
import { redactSecrets } from "@drawbridge/telemetry";
import { expect, test } from "vitest";

const secret = "kJ8s0vXn5mZr2QpT7wYb1LcD4fGhA6eU9iOxNzRtMPk";
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = privateKey.export({ format: "pem", type: "pkcs8" }).trim();
const keyBody = pem.split("\n")[1] ?? "";

test.each([
  { what: "an activation token", text: `token fat1.eyJ2IjoxfQ.${secret} given`, hidden: secret },
  { what: "the claims of an activation token", text: `fat1.eyJ2IjoxfQ.${secret}`, hidden: "eyJ2IjoxfQ" },
  { what: "an activation token cut short", text: `fat1.${secret}`, hidden: secret },
  { what: "an API token", text: `dbt1.abc123.${secret}`, hidden: secret },
  { what: "a private key", text: pem, hidden: keyBody },
  { what: "a private key inside JSON", text: JSON.stringify({ text: pem }), hidden: keyBody },
  { what: "a private key cut short", text: pem.slice(0, 90), hidden: keyBody.slice(0, 40) },
  { what: "an old-style private key", text: pem.replaceAll("PRIVATE KEY", "EC PRIVATE KEY"), hidden: keyBody },
  { what: "a bearer token", text: `authorization: Bearer ${secret}`, hidden: secret },
  { what: "basic credentials", text: "Authorization: Basic YWxpY2U6d29uZGVybGFuZA==", hidden: "YWxpY2U6" },
  { what: "the password in a URL", text: "postgres://app:hunter2@db:5432/x", hidden: "hunter2" },
  { what: "a password field", text: JSON.stringify({ user: { password: "hunter2" } }), hidden: "hunter2" },
  { what: "a password with quotes in it", text: JSON.stringify({ password: 'hun"ter2' }), hidden: "ter2" },
  { what: "a field that ends in token", text: JSON.stringify({ csrfToken: "abc", api_token: "xyz" }), hidden: "xyz" },
  { what: "a secret field in a list", text: JSON.stringify([{ clientSecret: "abc" }]), hidden: "abc" },
  { what: "an authorization header field", text: JSON.stringify({ headers: { authorization: "abc" } }), hidden: "abc" },
  { what: "a private key field", text: JSON.stringify({ privateKeyPem: "abc" }), hidden: "abc" },
])("hides $what", ({ text, hidden }) => {
  expect(text).toContain(hidden);
  const result = redactSecrets(text);
  expect(result).not.toContain(hidden);
  expect(result).toContain("[redacted]");
});

test.each([
  JSON.stringify({ token_id: "019a", tokenId: "019a", spki_sha256: "ab", msg: "token created" }),
  "drawbridge.activation.token.created.v1.019a",
  "spiffe://drawbridge.local/cp/activation",
  "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
  "https://127.0.0.1:7430/bundles/sha256:ab",
  "a bearer of bad news",
])("leaves %s as it is", (text) => {
  expect(redactSecrets(text)).toBe(text);
});

test("what is still JSON before is JSON after", () => {
  const record = { password: 'a"b\\', nested: { token: "x", pem, list: [`fat1.a.${secret}`] }, n: 1 };
  const parsed: unknown = JSON.parse(redactSecrets(JSON.stringify(record)));
  expect(parsed).toEqual({
    password: "[redacted]",
    nested: { token: "[redacted]", pem: "[redacted]", list: ["fat1.[redacted]"] },
    n: 1,
  });
});

test("a long line without secrets stays as it is; a pattern that backtracks would not come to an end here", () => {
  const line = `"${"a".repeat(200_000)}" key ${"token".repeat(20_000)}`;
  expect(redactSecrets(line)).toBe(line);
});
