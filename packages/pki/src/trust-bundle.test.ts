import fc from "fast-check";
import { expect, test } from "vitest";
import { createTestPki } from "../test/test-pki.ts";
import { createTrustBundle, parseTrustBundleJson, trustBundleToJson } from "./trust-bundle.ts";

const pki = await createTestPki();
const text = trustBundleToJson(pki.trustBundle);
const invalid = expect.objectContaining({ code: "TRUST_BUNDLE_INVALID" });

test("reads what it wrote", () => {
  const read = parseTrustBundleJson(text);
  expect(read).toMatchObject({ sequence: 1n, trustDomain: "drawbridge.local", refreshHintSeconds: 300 });
  expect(Buffer.from(read.rootsDer[0] ?? [])).toEqual(Buffer.from(pki.rootDer));
});

function withField(name: string, value: unknown): string {
  return JSON.stringify({ ...(JSON.parse(text) as object), [name]: value });
}

test.each([
  ["no JSON", "{"],
  ["a list", "[]"],
  ["null", "null"],
  ["no root: it would trust nobody, or the system's roots", withField("roots", [])],
  ["a root that is no text", withField("roots", [1])],
  [
    "a root that is no certificate",
    withField("roots", ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]),
  ],
  ["a negative sequence", withField("spiffe_sequence", -1)],
  ["a sequence with a fraction", withField("spiffe_sequence", 1.5)],
  ["a trust domain that is none", withField("trust_domain", "a/b")],
  ["more than 64 KiB", " ".repeat(70_000)],
])("refuses %s", (_what, json) => {
  expect(() => parseTrustBundleJson(json)).toThrow(invalid);
});

test("refuses a sequence that its JSON would not carry exactly", () => {
  expect(() => createTrustBundle({ ...pki.trustBundle, sequence: 2n ** 53n })).toThrow(invalid);
  expect(createTrustBundle({ ...pki.trustBundle, sequence: 2n ** 53n - 1n }).sequence).toBe(2n ** 53n - 1n);
});

test("refuses a root that is not a self-signed CA", () => {
  expect(() => createTrustBundle({ ...pki.trustBundle, rootsDer: [pki.issuingDer] })).toThrow(invalid);
});

test("refuses any JSON with a code, never with another error (R26 k)", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (json) => {
      expect(() => parseTrustBundleJson(json)).toThrow(invalid);
    }),
  );
});
