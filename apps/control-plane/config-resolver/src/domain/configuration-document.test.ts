import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import fc from "fast-check";
import { expect, test } from "vitest";
import { configurationDigest, openConfiguration, sealConfiguration } from "../crypto/configuration-cipher.ts";
import { encodeConfiguration, maxConfigurationBytes } from "./configuration-document.ts";

const kek = parseKeyEncryptionKeys(Buffer.alloc(32, 1).toString("base64url"));
const otherKek = parseKeyEncryptionKeys(Buffer.alloc(32, 2).toString("base64url"));
const digestKey = Buffer.alloc(32, 3);
const digest = configurationDigest(digestKey, "acme", Buffer.from("{}"));
const other = configurationDigest(digestKey, "acme", Buffer.from("[]"));

test("the order of properties does not change the document", () => {
  const values = fc.dictionary(fc.string(), fc.string());
  fc.assert(
    fc.property(values, values, (properties, secureProperties) => {
      const reverse = (of: Record<string, string>) => Object.fromEntries(Object.entries(of).toReversed());
      const one = encodeConfiguration({ properties, secureProperties, sealedProperties: {} });
      const two = encodeConfiguration({
        properties: reverse(properties),
        secureProperties: reverse(secureProperties),
        sealedProperties: {},
      });
      expect(two).toEqual(one);
      expect(JSON.parse(one.toString())).toEqual({ properties, secureProperties, sealedProperties: {} });
    }),
  );
});

test("refuses a document of more than 1 MiB and takes one of exactly that", () => {
  const empty = encodeConfiguration({ properties: { A: "" }, secureProperties: {}, sealedProperties: {} }).byteLength;
  const fits = {
    properties: { A: "x".repeat(maxConfigurationBytes - empty) },
    secureProperties: {},
    sealedProperties: {},
  };
  expect(encodeConfiguration(fits).byteLength).toBe(maxConfigurationBytes);
  const tooLarge = { ...fits, properties: { A: `${fits.properties.A}x` } };
  expect(() => encodeConfiguration(tooLarge)).toThrow(expect.objectContaining({ code: "CONFIGURATION_TOO_LARGE" }));
});

test("the digest depends on key, organisation and content, and tells whoever lacks the key nothing", () => {
  const plain = Buffer.from('{"secureProperties":{"PIN":"1234"}}');
  const digests = [
    configurationDigest(digestKey, "acme", plain),
    configurationDigest(Buffer.alloc(32, 9), "acme", plain),
    configurationDigest(digestKey, "other", plain),
    configurationDigest(digestKey, "acme", Buffer.from('{"secureProperties":{"PIN":"1235"}}')),
  ];
  expect(new Set(digests).size).toBe(4);
  expect(configurationDigest(digestKey, "acme", plain)).toBe(digests[0]);
});

test("opens what it sealed, and two seals of one document differ", () => {
  const plain = Buffer.from("secret");
  const one = sealConfiguration(plain, digest, kek);
  const two = sealConfiguration(plain, digest, kek);
  expect(openConfiguration(one, digest, kek)).toEqual(plain);
  expect(Buffer.from(one.ciphertext).equals(Buffer.from(two.ciphertext))).toBe(false);
  expect(Buffer.from(one.ciphertext).includes("secret")).toBe(false);
});

test("refuses what was changed, cut, or put under another digest", () => {
  const sealed = sealConfiguration(Buffer.from("secret"), digest, kek);
  const flip = (bytes: Uint8Array, at: number) =>
    Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte));
  const damaged = expect.objectContaining({ code: "CONFIGURATION_DAMAGED", kind: "data_loss" });
  for (let at = 0; at < sealed.ciphertext.byteLength; at += 1) {
    expect(() => openConfiguration({ ...sealed, ciphertext: flip(sealed.ciphertext, at) }, digest, kek)).toThrow(
      damaged,
    );
  }
  expect(() => openConfiguration({ ...sealed, wrappedKey: flip(sealed.wrappedKey, 20) }, digest, kek)).toThrow(damaged);
  expect(() => openConfiguration({ ...sealed, ciphertext: sealed.ciphertext.subarray(0, 20) }, digest, kek)).toThrow(
    damaged,
  );
  expect(() => openConfiguration({ ...sealed, ciphertext: sealed.ciphertext.subarray(0, 3) }, digest, kek)).toThrow(
    damaged,
  );
  expect(() => openConfiguration(sealed, other, kek)).toThrow(damaged);
});

test("names both keys when the key encryption key is another one", () => {
  const sealed = sealConfiguration(Buffer.from("secret"), digest, kek);
  expect(() => openConfiguration(sealed, digest, otherKek)).toThrow(
    expect.objectContaining({
      code: "KEY_ENCRYPTION_KEY_WRONG",
      message: expect.stringContaining(kek.current.id) as string,
    }),
  );
});

test.each(["", "short", Buffer.alloc(31).toString("base64url"), `${Buffer.alloc(32).toString("base64url")}!`])(
  "refuses %j as a key encryption key",
  (text) => {
    expect(() => parseKeyEncryptionKeys(text)).toThrow(expect.objectContaining({ code: "KEY_ENCRYPTION_KEY_INVALID" }));
  },
);
