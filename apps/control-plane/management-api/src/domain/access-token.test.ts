import { describe, expect, test } from "vitest";
import { formatAccessToken, readBearerToken, tokenRefusal } from "./access-token.ts";

const parts = { id: "0193e3a0-0000-7000-8000-000000000001", secret: "s".repeat(43) };
const token = formatAccessToken(parts);

describe("an access token", () => {
  test("is read from a bearer header, the scheme in any case", () => {
    expect(readBearerToken(`Bearer ${token}`)).toEqual(parts);
    expect(readBearerToken(`bearer ${token}`)).toEqual(parts);
  });

  test.each([
    ["nothing", undefined],
    ["an empty header", ""],
    ["another scheme", `Basic ${token}`],
    ["a token without scheme", token],
    ["an activation token", `Bearer fat1.e30.${"s".repeat(43)}`],
    ["a secret cut short", `Bearer ${token.slice(0, -1)}`],
    ["a secret made longer", `Bearer ${token}x`],
    ["an id in upper case", `Bearer ${token.replace("e3a0", "E3A0")}`],
    ["something after the token", `Bearer ${token} ${token}`],
  ])("is not read from %s", (_what, header) => {
    expect(readBearerToken(header)).toBeUndefined();
  });

  test("is refused from the instant it expires and once it is revoked", () => {
    const expiresAt = new Date("2026-01-01T12:00:00Z");
    expect(tokenRefusal({ expiresAt, revokedAt: undefined }, new Date(expiresAt.getTime() - 1))).toBeUndefined();
    expect(tokenRefusal({ expiresAt, revokedAt: undefined }, expiresAt)).toBe("expired");
    expect(tokenRefusal({ expiresAt, revokedAt: new Date(0) }, new Date(0))).toBe("revoked");
  });
});
