import { expect, test } from "vitest";
import { findSuccession, type SuccessionLink } from "./trust-succession.ts";

const link = (sequence: bigint, signerPin: string, ...rootPins: string[]): SuccessionLink => ({
  sequence,
  signerPin,
  rootPins,
  jws: `link ${sequence}`,
});

/** a is replaced by b, b by c; a rotation of c was rolled back. */
const links = [
  link(2n, "a", "a", "b"),
  link(3n, "b", "b"),
  link(4n, "b", "b", "c"),
  link(5n, "c", "c"),
  link(6n, "c", "c", "d"),
  link(7n, "c", "c"),
];
const way = (...trusted: string[]) =>
  findSuccession(links, { trusted, current: ["c"] }).map(({ sequence }) => sequence);

test("finds the shortest way from any bundle that ever was to the current one (REN 6)", () => {
  expect(way("a")).toEqual([2n, 4n, 7n]);
  expect(way("a", "b")).toEqual([4n, 7n]);
  expect(way("b")).toEqual([4n, 7n]);
  expect(way("b", "c")).toEqual([7n]);
  expect(way("c", "d")).toEqual([7n]);
});

test("says nothing to who is current, and refuses who trusts none of our roots", () => {
  expect(way("c")).toEqual([]);
  expect(() => way("x")).toThrow(expect.objectContaining({ code: "TRUST_SUCCESSION_UNKNOWN", kind: "not_found" }));
});
