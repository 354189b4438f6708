import fc from "fast-check";
import { expect, test } from "vitest";
import { anExchange, createPolicy, problemsOf, verdictOf } from "../../testing/harness.ts";
import { findJsonProblem, type JsonLimits } from "./find-json-problem.ts";
import { jsonThreatProtection } from "./json-threat-protection.ts";

const wide: JsonLimits = {
  depth: 100,
  values: 10_000,
  stringLength: 10_000,
  nameLength: 1000,
  objectEntries: 1000,
  arrayElements: 1000,
  numberLength: 400,
  allowDuplicateNames: true,
};

const problemOf = (text: string | Uint8Array, limits: Partial<JsonLimits> = {}) =>
  findJsonProblem(Buffer.from(text), { ...wide, ...limits });

test.each([
  "0",
  "-0",
  "1.5e+10",
  "true",
  "null",
  '""',
  "{}",
  "[]",
  ' {"a" : [1 , {"b":null}] } \n',
  '"\\ud83d\\u0000\\/"',
  '"😀é"',
  "[[],{}]",
])("%j is JSON", (text) => {
  expect(problemOf(text)).toBeUndefined();
});

const notJson = [
  "",
  " ",
  "tru",
  "nul",
  "nulll",
  "undefined",
  "NaN",
  "Infinity",
  "-",
  "+1",
  "01",
  "1.",
  ".5",
  "1e",
  "1e+",
  "0x10",
  "1 2",
  "[1,]",
  "[,1]",
  "[1 2]",
  "[",
  "]",
  "{",
  "}",
  "{]",
  "[}",
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  "{a:1}",
  "{'a':1}",
  "{1:2}",
  '{"a":1 "b":2}',
  '"',
  '"\\',
  '"\\x"',
  '"\\u12"',
  '"\\u12G4"',
  '"\t"',
  '"\n"',
  "// x\n1",
  "/* x */ 1",
  "\ufeff{}",
  "[1]]",
  '{"a":1}}',
  "\u00a01",
  "1\u0000",
  "\u000b1",
];

test.each(notJson)("%j is no JSON, to us and to JSON.parse", (text) => {
  expect(problemOf(text)).toBe("malformed");
  expect(() => JSON.parse(text)).toThrow(SyntaxError);
});

test.each([
  ["a byte that begins nothing", [0x22, 0xff, 0x22]],
  ["an overlong slash", [0x22, 0xc0, 0xaf, 0x22]],
  ["a surrogate", [0x22, 0xed, 0xa0, 0x80, 0x22]],
  ["a cut character", [0x22, 0xe2, 0x82, 0x22]],
  ["UTF-16", [...Buffer.from('{"a":1}', "utf16le")]],
])("bytes that are no UTF-8 are no JSON: %s", (_what, bytes) => {
  expect(problemOf(Uint8Array.from(bytes))).toBe("malformed");
});

test("agrees with JSON.parse on texts that were damaged in one place", () => {
  const damaged = fc
    .tuple(
      fc.json({ maxDepth: 4 }),
      fc.nat(),
      fc.constantFrom("", ",", '"', "{", "]", "0", "e", "\\", "-", " ", "\u0007", "é"),
    )
    .map(([text, place, put]) => {
      const at = place % (text.length + 1);
      return text.slice(0, at) + put + text.slice(at + 1);
    });
  fc.assert(
    fc.property(damaged, (text) => {
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      // A lone surrogate that the damage left cannot be written in UTF-8: Buffer puts a replacement character, which is fine.
      return (problemOf(text) === undefined) === isJson;
    }),
    { numRuns: 3000 },
  );
});

/** Each limit: a text just within it, and one just beyond. */
const edges: readonly (readonly [keyof JsonLimits, number, string, string])[] = [
  ["depth", 2, "[[]]", "[[[]]]"],
  ["depth", 2, '{"a":{}}', '{"a":{"b":[]}}'],
  ["depth", 0, "1", "[]"],
  ["values", 3, "[1,2]", "[1,2,3]"],
  ["values", 2, '{"a":1}', '{"a":1,"b":2}'],
  ["stringLength", 3, '"abc"', '"abcd"'],
  ["stringLength", 3, '"é😀x"', '"é😀xy"'],
  ["stringLength", 2, '"\\u0041\\n"', '"\\u0041\\nx"'],
  ["nameLength", 2, '{"ab":"abc"}', '{"abc":1}'],
  ["objectEntries", 2, '{"a":1,"b":2}', '{"a":1,"b":2,"c":3}'],
  ["arrayElements", 2, "[1,[1,2]]", "[1,2,3]"],
  ["numberLength", 4, "-1.5", "-1.55"],
];

test.each(edges)("limit %s = %d: %j passes, %j does not", (limit, value, within, beyond) => {
  expect(problemOf(within, { [limit]: value })).toBeUndefined();
  expect(problemOf(beyond, { [limit]: value })).toBe(limit);
});

test.each([
  ['{"a":1,"a":2}', "duplicateName"],
  ['{"a":1,"\\u0061":2}', "duplicateName"],
  ['{"é":1,"\\u00e9":2}', "duplicateName"],
  ['{"__proto__":1,"__proto__":2}', "duplicateName"],
  ['{"a":{"a":1},"b":[{"a":1},{"a":2}]}', undefined],
  ['{"a":1,"A":2,"":3}', undefined],
])("names twice in %s: %s", (text, problem) => {
  expect(problemOf(text, { allowDuplicateNames: false })).toBe(problem);
});

test("a million brackets are refused at the limit, and without recursion when there is none", () => {
  const brackets = "[".repeat(1_000_000);
  expect(problemOf(brackets, { depth: 32 })).toBe("depth");
  expect(problemOf(brackets, { depth: 2_000_000, values: 2_000_000 })).toBe("malformed");
});

async function verdict(
  body: string | Uint8Array,
  headers: Record<string, string | string[]> = {},
  configuration: unknown = {},
) {
  const policy = await createPolicy(jsonThreatProtection, configuration);
  return verdictOf(await policy.onRequest(anExchange({ method: "POST", headers, body })));
}

const json = { "content-type": "application/json" };

test.each<[string, string, Record<string, string | string[]>, unknown, string]>([
  ["JSON", "{}", json, {}, "pass"],
  ["no body", "", { "content-type": "text/plain" }, {}, "pass"],
  ["JSON without a type", "{", {}, {}, "400 json_malformed"],
  ["a type in capitals", "{", { "content-type": "Application/JSON; charset=UTF-8" }, {}, "400 json_malformed"],
  ["a type with a suffix", "{", { "content-type": "application/problem+json" }, {}, "400 json_malformed"],
  ["another type", "{", { "content-type": "text/plain" }, {}, "415 content_not_inspectable"],
  ["another type that may pass", "{", { "content-type": "text/plain" }, { otherContent: "pass" }, "pass"],
  [
    "two types",
    "{",
    { "content-type": ["application/json", "text/plain"] },
    { otherContent: "pass" },
    "415 content_not_inspectable",
  ],
  ["a type that is none", "{}", { "content-type": "json" }, { otherContent: "pass" }, "415 content_not_inspectable"],
  [
    "another character set",
    "{}",
    { "content-type": "application/json; charset=utf-7" },
    {},
    "415 content_not_inspectable",
  ],
  [
    "two character sets",
    "{}",
    { "content-type": "application/json;charset=utf-8;charset=utf-16" },
    {},
    "415 content_not_inspectable",
  ],
  ["a compressed body", "{}", { ...json, "content-encoding": "gzip" }, {}, "415 content_not_inspectable"],
  ["an encoding that is none", "{}", { ...json, "content-encoding": "identity" }, {}, "pass"],
  ["a limit", "[[]]", json, { depth: 1 }, "400 json_limit_exceeded"],
])("a request with %s", async (_what, body, headers, configuration, expected) => {
  expect(await verdict(body, headers, configuration)).toBe(expected);
});

test("the body that is read has a limit, 1 MB unless configured", async () => {
  expect((await createPolicy(jsonThreatProtection, {})).bodyBytes).toBe(1_048_576);
  expect((await createPolicy(jsonThreatProtection, { maximumBytes: 10 })).bodyBytes).toBe(10);
});

test.each([
  [{ depth: -1 }, "depth"],
  [{ depth: 1.5 }, "depth"],
  [{ depth: "3" }, "depth"],
  [{ maximumBytes: 0 }, "maximumBytes"],
  [{ maximumBytes: 4_194_305 }, "maximumBytes"],
  [{ otherContent: "ignore" }, "otherContent"],
  [{ deepness: 3 }, ""],
])("the schema refuses %j and names the field", (configuration, field) => {
  const problems = problemsOf(jsonThreatProtection, configuration);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(new RegExp(`^${field}: `));
});
