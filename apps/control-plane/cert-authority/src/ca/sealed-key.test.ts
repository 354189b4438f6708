import { randomBytes } from "node:crypto";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { expect, test } from "vitest";
import { openKey, sealKey } from "./sealed-key.ts";

const aKey = () => randomBytes(32).toString("base64url");
const [oldKey, newKey] = [aKey(), aKey()];
const keks = parseKeyEncryptionKeys(oldKey);
const privateKey = randomBytes(138);
const sealed = sealKey(privateKey, { keks, keyId: "key-1" });
const stored = { keks, keyId: "key-1", ...sealed };

test("opens what it sealed, and shows nothing of it", () => {
  expect(openKey(stored)).toEqual(privateKey);
  expect(sealed.sealed.includes(privateKey.subarray(0, 16))).toBe(false);
  expect(sealKey(privateKey, { keks, keyId: "key-1" }).sealed).not.toEqual(sealed.sealed);
});

test("the first of several keys seals, all of them open", () => {
  const both = parseKeyEncryptionKeys(`${newKey}\n${oldKey}`);
  expect(openKey({ ...stored, keks: both })).toEqual(privateKey);
  const again = sealKey(privateKey, { keks: both, keyId: "key-1" });
  expect(again.sealKeyId).toBe(both.current.id);
  expect(openKey({ ...again, keyId: "key-1", keks: parseKeyEncryptionKeys(newKey) })).toEqual(privateKey);
});

test("says that the key encryption key is another one", () => {
  expect(() => openKey({ ...stored, keks: parseKeyEncryptionKeys(newKey) })).toThrow(
    expect.objectContaining({ code: "KEY_ENCRYPTION_KEY_WRONG", message: expect.stringContaining(keks.current.id) }),
  );
});

test("refuses a sealed key that was altered, cut, or belongs to another CA", () => {
  const damaged = expect.objectContaining({ code: "CA_KEY_DAMAGED" });
  for (const index of [0, 13, 30, sealed.sealed.length - 1]) {
    const altered = Buffer.from(sealed.sealed);
    altered[index] = (altered[index] ?? 0) ^ 1;
    expect(() => openKey({ ...stored, sealed: altered })).toThrow(damaged);
  }
  expect(() => openKey({ ...stored, sealed: sealed.sealed.subarray(0, 20) })).toThrow(damaged);
  expect(() => openKey({ ...stored, sealed: Buffer.alloc(0) })).toThrow(damaged);
  expect(() => openKey({ ...stored, keyId: "key-2" })).toThrow(damaged);
});
