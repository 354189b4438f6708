import fc from "fast-check";
import { expect, test } from "vitest";
import { assertNotExpired, parseActivationToken } from "./activation-token.ts";

const claims = {
  v: 1,
  cp: "fabric.example.com:7410,[::1]:7410",
  tid: "0190b8a0-0000-7000-8000-00000000d001",
  exp: 1_800_000_000,
  pins: ["A".repeat(43)],
};

function aToken(change: object = {}, secret = "s".repeat(43)): string {
  return `fat1.${Buffer.from(JSON.stringify({ ...claims, ...change })).toString("base64url")}.${secret}`;
}

test("reads endpoints, pins, id and end of life, and takes one line end", () => {
  expect(parseActivationToken(`${aToken()}\n`)).toMatchObject({
    tokenId: claims.tid,
    endpoints: ["fabric.example.com:7410", "[::1]:7410"],
    expiresAt: new Date(1_800_000_000_000),
    pins: claims.pins,
  });
});

test.for([
  ["", "it is empty"],
  ["hello", 'does not begin with "fat1."'],
  ["fat2.x.y", "version"],
  ["fat1.abc", "cut short"],
  [aToken({}, "s".repeat(20)), "20 of 43 characters"],
  [aToken({}, "s".repeat(44)), "43 characters of base64url"],
  [`${aToken()}.more`, "more than three parts"],
  [aToken().replace(".", ".\n"), "as one line"],
  [aToken({ v: 2 }), "claims version 2"],
  [aToken({ pins: [] }), '"pins"'],
  [aToken({ exp: "soon" }), '"exp"'],
  [aToken({ cp: "no port" }), '"cp"'],
  ["fat1.e30x.".concat("s".repeat(43)), "cut or altered"],
] as const)("says what is wrong with %j", ([text, message]) => {
  expect(() => parseActivationToken(text)).toThrow(message);
});

test("is valid up to but not including its end of life", () => {
  const token = parseActivationToken(aToken());
  expect(() => assertNotExpired(token, new Date(1_799_999_999_999))).not.toThrow();
  expect(() => assertNotExpired(token, new Date(1_800_000_000_000))).toThrow("expired at");
});

test("never repeats what it was given and never fails with anything but its own error", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 12 }), (noise) => {
      for (const text of [noise, `fat1.${noise}`, `fat1.${noise}.${noise}`]) {
        try {
          parseActivationToken(text);
        } catch (error) {
          expect(error).toMatchObject({ name: "DrawbridgeError" });
          expect(String(error)).not.toContain(noise);
        }
      }
    }),
  );
});
