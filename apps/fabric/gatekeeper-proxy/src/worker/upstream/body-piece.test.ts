import { expect, test } from "vitest";
import { giveBack, keepPiece, pieceOf, readBytes } from "./body-piece.ts";

const bytes = Buffer.alloc(readBytes, "a");

test("a piece is a copy: what is read next does not change it", () => {
  const source = Buffer.from(bytes);
  const piece = pieceOf(source, 10, 65_546);
  source.fill("b");
  expect(piece.equals(bytes.subarray(10, 65_546))).toBe(true);
});

test("the buffer of a piece that was given back is used again, and by one piece only", () => {
  const first = pieceOf(bytes, 0, 65_536);
  giveBack(first);
  giveBack(first);
  const second = pieceOf(bytes, 0, 65_536);
  const third = pieceOf(bytes, 0, 65_536);
  expect(second.buffer).toBe(first.buffer);
  expect(third.buffer).not.toBe(second.buffer);
});

test("a piece that somebody keeps is never used again, though it is given back later", () => {
  const kept = pieceOf(bytes, 0, 65_536);
  keepPiece(kept);
  giveBack(kept);
  expect(pieceOf(bytes, 0, 65_536).buffer).not.toBe(kept.buffer);
});

test("bytes from elsewhere are not taken for a piece", () => {
  const foreign = Buffer.allocUnsafeSlow(readBytes);
  giveBack(foreign);
  expect(pieceOf(bytes, 0, 65_536).buffer).not.toBe(foreign.buffer);
});
