import fc from "fast-check";
import { expect, test } from "vitest";
import { RouteTally } from "./route-tally.ts";

const get = (template: string, count = 1) => ({ method: "GET", template, count });
const texts = (tally: RouteTally, nowMs: number) =>
  tally.due(nowMs).map(({ method, template }) => `${method} ${template}`);
const minutes = (count: number): number => count * 60_000;
/** Words as the alphabet makes them; which words may be told is decided before. */
const word = (index: number): string => `w${String.fromCodePoint(97 + Math.trunc(index / 26), 97 + (index % 26))}`;

test("a route is told once it was seen twenty times, of all threads together, and no sooner (MGT 6)", () => {
  const tally = new RouteTally();
  tally.add([get("/orders/{}", 12)], 0);
  tally.add([get("/orders/{}", 7), { ...get("/orders/{}", 19), method: "PUT" }], 0);
  expect(texts(tally, 0)).toEqual([]);
  tally.add([get("/orders/{}")], 0);
  expect(texts(tally, 0)).toEqual(["GET /orders/{}"]);
});

test("what was told is told again only if it is seen again, and after a quarter of an hour", () => {
  const tally = new RouteTally();
  tally.add([get("/orders", 20)], 0);
  tally.reported(tally.due(0), 0);
  tally.add([get("/orders")], 1);
  expect(texts(tally, minutes(15) - 1)).toEqual([]);
  expect(texts(tally, minutes(15))).toEqual(["GET /orders"]);
  tally.reported(tally.due(minutes(15)), minutes(15));
  expect(texts(tally, minutes(60))).toEqual([]);
});

test("more than twenty words at one place are values: they become one placeholder, what follows is kept", () => {
  const tally = new RouteTally();
  for (let index = 0; index < 20; index += 1) tally.add([get(`/search/${word(index)}/pages`)], 0);
  expect(texts(tally, 0)).toEqual([]);
  tally.add([get(`/search/${word(20)}/pages`)], 0);
  expect(texts(tally, 0)).toEqual(["GET /search/{}/pages"]);
  tally.add([get(`/search/${word(21)}/pages`, 40)], 0);
  expect(texts(tally, 0)).toEqual(["GET /search/{}/pages"]);
});

test("of more than 200 routes the rarest goes, and is counted", () => {
  const tally = new RouteTally();
  const depth = (index: number): string => `/${word(index % 15)}/${word(Math.trunc(index / 15))}`;
  for (let index = 0; index < 200; index += 1) expect(tally.add([get(depth(index), 20)], index)).toBe(0);
  expect(tally.add([get("/rare/route")], 500)).toBe(1);
  expect(tally.add([get("/common/route", 30)], 501)).toBe(1);
  const due = texts(tally, 600);
  expect(due).toHaveLength(200);
  expect(due).toContain("GET /common/route");
  expect(due).not.toContain("GET /rare/route");
  expect(due).not.toContain(`GET ${depth(0)}`);
});

test("whatever is seen, at most 200 routes are kept, at most twenty words stand at one place, and none is new", () => {
  const segment = fc.oneof(fc.integer({ min: 0, max: 60 }).map(word), fc.constant("{}"));
  const template = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join("/")}`);
  fc.assert(
    fc.property(fc.array(template, { minLength: 1, maxLength: 400 }), (templates) => {
      const tally = new RouteTally();
      for (const one of templates) tally.add([get(one, 20)], 0);
      const due = tally.due(0).map(({ template: kept }) => kept);
      expect(due.length).toBeLessThanOrEqual(200);
      const places = new Map<string, Set<string>>();
      for (const kept of due) {
        const segments = kept.slice(1).split("/");
        const isOfOne = templates.some((seen) => {
          const theirs = seen.slice(1).split("/");
          return (
            theirs.length === segments.length &&
            segments.every((part, place) => part === "{}" || part === theirs[place])
          );
        });
        expect(isOfOne, kept).toBe(true);
        for (const [place, part] of segments.entries()) {
          if (part === "{}") continue;
          const before = segments.slice(0, place).join("/");
          places.set(before, (places.get(before) ?? new Set()).add(part));
        }
      }
      for (const words of places.values()) expect(words.size).toBeLessThanOrEqual(20);
    }),
    { numRuns: 100 },
  );
});
