import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { openKey, parseKeyEncryptionKey, sealKey } from "./sealed-key.ts";

const kek = parseKeyEncryptionKey(randomBytes(32).toString("base64url"));
const privateKey = randomBytes(138);
const sealed = sealKey(privateKey, { kek, keyId: "key-1" });
const stored = { kek, keyId: "key-1", sealed, sealKeyId: kek.id };

test("opens what it sealed, and shows nothing of it", () => {
  expect(openKey(stored)).toEqual(privateKey);
  expect(sealed.includes(privateKey.subarray(0, 16))).toBe(false);
  expect(sealKey(privateKey, { kek, keyId: "key-1" })).not.toEqual(sealed);
});

test("says that the key encryption key is another one", () => {
  const other = parseKeyEncryptionKey(randomBytes(32).toString("base64url"));
  expect(() => openKey({ ...stored, kek: other })).toThrow(
    expect.objectContaining({ code: "KEY_ENCRYPTION_KEY_WRONG", message: expect.stringContaining(kek.id) }),
  );
});

test("refuses a sealed key that was altered, cut, or belongs to another CA", () => {
  const damaged = expect.objectContaining({ code: "CA_KEY_DAMAGED" });
  for (const index of [0, 13, 30, sealed.length - 1]) {
    const altered = Buffer.from(sealed);
    altered[index] = (altered[index] ?? 0) ^ 1;
    expect(() => openKey({ ...stored, sealed: altered })).toThrow(damaged);
  }
  expect(() => openKey({ ...stored, sealed: sealed.subarray(0, 20) })).toThrow(damaged);
  expect(() => openKey({ ...stored, sealed: Buffer.alloc(0) })).toThrow(damaged);
  expect(() => openKey({ ...stored, keyId: "key-2" })).toThrow(damaged);
});

test.each([
  ["31 bytes", randomBytes(31).toString("base64url")],
  ["33 bytes", randomBytes(33).toString("base64url")],
  ["a passphrase", "correct horse battery staple"],
  ["hex", randomBytes(32).toString("hex")],
  ["nothing", ""],
])("refuses a key encryption key of %s", (_what, text) => {
  expect(() => parseKeyEncryptionKey(text)).toThrow(expect.objectContaining({ code: "KEY_ENCRYPTION_KEY_INVALID" }));
});
