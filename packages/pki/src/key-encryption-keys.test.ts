import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { parseKeyEncryptionKeys } from "./key-encryption-keys.ts";
import { sealBytes, unsealBytes } from "./sealed-bytes.ts";

const aKey = () => randomBytes(32).toString("base64url");

test("a file of one line is one key, and its id tells nothing of it", () => {
  const text = aKey();
  const keys = parseKeyEncryptionKeys(text);
  expect(Buffer.from(keys.current.bytes).toString("base64url")).toBe(text);
  expect(keys.current.id).toMatch(/^[0-9a-f]{16}$/);
  expect(keys.previous).toEqual([]);
});

test("the first line is the current key, the others open what was sealed before", () => {
  const [now, before] = [aKey(), aKey()];
  const old = parseKeyEncryptionKeys(before);
  const keys = parseKeyEncryptionKeys(`# rotated in November\n${now}\n\n${before}\r\n`);
  expect(keys.current.id).toBe(parseKeyEncryptionKeys(now).current.id);
  expect(keys.byId(old.current.id).bytes).toEqual(old.current.bytes);
  expect(keys.previous.map(({ id }) => id)).toEqual([old.current.id]);
});

test("names the key that is missing and those that are given", () => {
  const keys = parseKeyEncryptionKeys(aKey());
  const { id } = parseKeyEncryptionKeys(aKey()).current;
  expect(() => keys.byId(id)).toThrow(
    expect.objectContaining({
      code: "KEY_ENCRYPTION_KEY_WRONG",
      message: expect.stringMatching(`${id}.*${keys.current.id}`),
    }),
  );
});

const twice = aKey();
test.each([
  ["31 bytes", randomBytes(31).toString("base64url")],
  ["33 bytes", randomBytes(33).toString("base64url")],
  ["a passphrase", "correct horse battery staple"],
  ["hex", randomBytes(32).toString("hex")],
  ["nothing", ""],
  ["a comment only", "# no key"],
  ["a bad second line", `${aKey()}\nshort`],
  ["the same key twice", `${twice}\n${twice}`],
  ["nine keys", Array.from({ length: 9 }, aKey).join("\n")],
])("refuses a file of %s", (_what, text) => {
  expect(() => parseKeyEncryptionKeys(text)).toThrow(expect.objectContaining({ code: "KEY_ENCRYPTION_KEY_INVALID" }));
});

test("sealed bytes open with the same key for the same thing only", () => {
  const options = { key: randomBytes(32), boundTo: "a" };
  const sealed = sealBytes(Buffer.from("secret"), options);
  expect(unsealBytes(sealed, options).toString()).toBe("secret");
  expect(() => unsealBytes(sealed, { ...options, boundTo: "b" })).toThrow();
  expect(() => unsealBytes(sealed, { ...options, key: randomBytes(32) })).toThrow();
  for (const length of [0, 3, 20, sealed.length - 1]) {
    expect(() => unsealBytes(sealed.subarray(0, length), options)).toThrow();
  }
});
