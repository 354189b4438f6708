import fc from "fast-check";
import { expect, test } from "vitest";
import { HeadMemory } from "./head-memory.ts";
import { readFields } from "./read-fields.ts";

const field = fc.constantFrom(
  ["Host", "a.example"],
  ["host", "b.example"],
  ["Authorization", "Bearer one"],
  ["authorization", "Bearer two"],
  ["X-Forwarded-For", "10.0.0.1"],
  ["Connection", "x-one"],
  ["x-one", "1"],
  ["Content-Length", "3"],
  ["Transfer-Encoding", "chunked"],
  ["x-long", "y".repeat(5_000)],
);
const head = fc.tuple(fc.array(field, { maxLength: 4 }), fc.boolean());

test("a head is read as it would be without the heads before it (GK 1)", () => {
  fc.assert(
    fc.property(fc.array(head, { maxLength: 12 }), (heads) => {
      const memory = new HeadMemory();
      // Each of them twice: the second is one that is known.
      for (const [fields, isOld] of heads.flatMap((one) => [one, one])) {
        const raw = fields.flat();
        expect(memory.readFields(raw, { isOld })).toEqual(readFields(raw, { isOld }));
      }
    }),
  );
});

test("what policies do to the fields of one request is not seen by the next one (GK 1)", () => {
  const memory = new HeadMemory();
  const raw = ["Host", "a.example", "client_secret", "s"];
  for (let request = 0; request < 3; request += 1) {
    const read = memory.readFields(raw.slice(), { isOld: false });
    if (typeof read === "string") throw new Error(read);
    expect(read.fields).toEqual(["client_secret", "s"]);
    read.fields.splice(0, 2, "x-added", "by a policy");
  }
});

test("a replica is told of each request what that one says", () => {
  const memory = new HeadMemory();
  const forwarded = "x-forwarded-for: 10.0.0.1\r\n";
  const lines = (fields: readonly string[], host = "a", lastHop = forwarded): string =>
    memory.linesOf(fields, host, lastHop);
  const first = "host: a\r\nx: 1\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-host: a\r\n";
  for (let time = 0; time < 3; time += 1) expect(lines(["x", "1"])).toBe(first);
  expect(lines(["x", "2"])).toBe(first.replace("x: 1", "x: 2"));
  expect(lines(["x", "1"])).toBe(first);
  expect(lines(["x", "1", "y", "\u00e9"])).toContain("y: \u00e9\r\n");
  expect(lines(["x", "1", "y", "\u00e9"])).toContain("y: \u00e9\r\n");
  expect(lines(["x", "1"], "b")).toContain("host: b\r\n");
  expect(lines(["x", "1"], "b", "via: c\r\n")).toBe("host: b\r\nx: 1\r\nvia: c\r\nx-forwarded-host: b\r\n");
  const mutable = ["x", "1"];
  lines(mutable);
  mutable[1] = "3";
  expect(lines(mutable)).toContain("x: 3\r\n");
});
