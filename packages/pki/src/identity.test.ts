import { expect, test } from "vitest";
import { agentSpiffeId, createTestPki } from "../test/test-pki.ts";
import { IdentityHolder, validateIdentity } from "./identity.ts";

const now = new Date();
const pki = await createTestPki(now);
const material = await pki.identity(agentSpiffeId);
const next = await pki.identity(agentSpiffeId);

test("is who its certificate says", () => {
  expect(validateIdentity(material, now)).toMatchObject({ spiffeId: agentSpiffeId, identity: { kind: "agent" } });
});

test("refuses a key that belongs to another certificate", () => {
  const mixed = { ...material, privateKeyPem: next.privateKeyPem };
  expect(() => validateIdentity(mixed, now)).toThrow(expect.objectContaining({ code: "IDENTITY_KEY_MISMATCH" }));
});

test("refuses an expired certificate", () => {
  const later = new Date(now.getTime() + 8 * 86_400_000);
  expect(() => validateIdentity(material, later)).toThrow(expect.objectContaining({ code: "CERTIFICATE_EXPIRED" }));
});

test("has nothing to give before the first identity is loaded", () => {
  const holder = new IdentityHolder();
  expect(holder.isLoaded).toBe(false);
  expect(() => holder.get()).toThrow(expect.objectContaining({ code: "IDENTITY_MISSING" }));
});

test("swaps certificate and key as one, and tells listeners after the swap", () => {
  const holder = new IdentityHolder(validateIdentity(material, now));
  const seen: string[] = [];
  const remove = holder.onChange((snapshot) => seen.push(`${snapshot.serialNumber} ${holder.get().serialNumber}`));
  const { serialNumber } = holder.replace(next, now);
  expect(seen).toEqual([`${serialNumber} ${serialNumber}`]);
  remove();
  holder.replace(material, now);
  expect(seen).toHaveLength(1);
});

test("keeps the old identity when the new one is not valid", () => {
  const holder = new IdentityHolder(validateIdentity(material, now));
  const { serialNumber } = holder.get();
  expect(() => holder.replace({ ...next, privateKeyPem: material.privateKeyPem }, now)).toThrow();
  expect(holder.get().serialNumber).toBe(serialNumber);
});
