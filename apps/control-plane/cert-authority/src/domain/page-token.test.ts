import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePageToken, encodePageToken } from "./page-token.ts";

test("reads what it wrote; no token is the first page", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 62n }), (position) => {
      expect(decodePageToken(encodePageToken(position))).toBe(position);
    }),
  );
  expect(decodePageToken("")).toBeUndefined();
});

test("refuses any other text", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      expect(() => decodePageToken(text)).toThrow(expect.objectContaining({ code: "PAGE_TOKEN_INVALID" }));
    }),
  );
});
