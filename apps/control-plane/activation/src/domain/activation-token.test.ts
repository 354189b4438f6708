import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { formatActivationToken, hashActivationToken, parseActivationToken } from "./activation-token.ts";

const tokenId = "01890000-0000-7000-8000-000000000001";
const secret = Buffer.alloc(32, 7);
const token = formatActivationToken(
  {
    tokenId,
    endpoints: ["a.example:7410", "b.example:7410"],
    expiresAt: new Date("2026-01-01T00:30:00Z"),
    pins: ["A".repeat(43)],
  },
  secret,
);

function codeOf(text: string): string {
  try {
    parseActivationToken(text);
    return "";
  } catch (error) {
    if (error instanceof DrawbridgeError) return error.code;
    throw error;
  }
}

test("a token says version, endpoints, id, expiry in seconds and pins in the clear", () => {
  const [prefix, claims = "", last] = token.split(".");
  expect(prefix).toBe("fat1");
  expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toEqual({
    v: 1,
    cp: "a.example:7410,b.example:7410",
    tid: tokenId,
    exp: 1_767_227_400,
    pins: ["A".repeat(43)],
  });
  expect(last).toBe(secret.toString("base64url"));
});

test("a token is read back as its id and the hash of its whole text", () => {
  expect(parseActivationToken(token)).toEqual({ tokenId, sha256: hashActivationToken(token) });
});

test("altered claims change the hash as an altered secret does", () => {
  const [, claims = "", last = ""] = token.split(".");
  const later = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
  const altered = `fat1.${Buffer.from(JSON.stringify({ ...later, exp: 4_102_444_800 })).toString("base64url")}.${last}`;
  const presented = parseActivationToken(altered);
  expect(presented.tokenId).toBe(tokenId);
  expect(presented.sha256.equals(hashActivationToken(token))).toBe(false);
});

test.each([
  "",
  "fat1",
  "fat1..",
  token.slice(0, -1),
  `${token}x`,
  token.replace("fat1", "fat2"),
  ` ${token}`,
  `${token}\n`,
  token.slice(0, 60),
  `fat1.${Buffer.from("{}").toString("base64url")}.${secret.toString("base64url")}`,
  `fat1.${Buffer.from("no json").toString("base64url")}.${secret.toString("base64url")}`,
  `fat1.${"A".repeat(5_000)}.${secret.toString("base64url")}`,
])("%j is malformed", (text) => {
  expect(codeOf(text)).toBe("ACTIVATION_TOKEN_MALFORMED");
});

test("every prefix of a token is malformed", () => {
  for (let length = 0; length < token.length; length += 1) {
    expect(codeOf(token.slice(0, length))).toBe("ACTIVATION_TOKEN_MALFORMED");
  }
});
