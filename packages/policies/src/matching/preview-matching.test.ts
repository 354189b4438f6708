import fc from "fast-check";
import { RE2JS } from "re2js";
import { expect, test } from "vitest";
import type { ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import { programOf } from "./expression-program.ts";
import { findCommonPath, stepsOf } from "./find-common-path.ts";
import { previewMatching } from "./preview-matching.ts";
import { readOpenApiResources } from "./read-openapi.ts";
import { parseUriTemplate } from "./uri-template.ts";

const resources = [
  { method: "GET", path: "/orders" },
  { method: "POST", path: "/orders" },
  { method: "GET", path: "/orders/{id}" },
  { method: "DELETE", path: "/orders/{id}" },
  { method: "GET", path: "/orders/{id}/lines/{line}" },
  { method: "GET", path: "/health" },
];
const template = (value: string, methods = "*"): ResourceCondition => ({
  methods,
  path: { $case: "uriTemplate", value },
});
const expression = (value: string, methods = "*"): ResourceCondition => ({
  methods,
  path: { $case: "regularExpression", value },
});

function preview(condition: ResourceCondition): readonly string[] {
  const [only] = previewMatching([condition], resources).conditions;
  if (only?.outcome !== "compiled") return [`invalid: ${only?.message}`];
  return only.matches.map(({ resource, extent }) => `${resource.method} ${resource.path} ${extent}`);
}

test.each([
  [template("/orders"), ["GET /orders all", "POST /orders all"]],
  [template("/orders/{anything}", "GET"), ["GET /orders/{id} all"]],
  [template("/orders/{anything}", "PUT"), []],
  [template("/orders/42"), ["GET /orders/{id} some", "DELETE /orders/{id} some"]],
  [expression("/orders/[0-9]+"), ["GET /orders/{id} some", "DELETE /orders/{id} some"]],
  [expression("/orders/[A-Z]{3}-[0-9]{4}", "GET"), ["GET /orders/{id} some"]],
  [expression("/orders/[^/]+", "GET"), ["GET /orders/{id} all"]],
  [
    expression("/orders(/.*)?", "GET"),
    ["GET /orders all", "GET /orders/{id} all", "GET /orders/{id}/lines/{line} all"],
  ],
  [expression("/orders/.+/lines/[a-f]+"), ["GET /orders/{id}/lines/{line} some"]],
  [expression("orders"), []],
  [expression("/orders/"), []],
  [expression("/api/orders.*"), []],
  [expression("/Orders"), []],
])("tells before saving which resources %j matches (GK 8)", (condition, expected) => {
  expect(preview(condition)).toEqual(expected);
});

test("names the resources that no condition matches, and the conditions that match nothing (GK 8)", () => {
  const result = previewMatching(
    [template("/orders"), template("/order/{id}"), expression("/orders/[0-9]+")],
    resources,
  );
  expect(result.conditions.map((one) => one.outcome === "compiled" && one.matchesNothing)).toEqual([
    false,
    true,
    false,
  ]);
  expect(result.neverMatched).toEqual([
    { method: "GET", path: "/orders/{id}/lines/{line}" },
    { method: "GET", path: "/health" },
  ]);
});

test("shows a path that matches and one that does not", () => {
  const [only] = previewMatching(
    [expression("/orders/[0-9]{3}")],
    [{ method: "GET", path: "/orders/{id}" }],
  ).conditions;
  expect(only).toMatchObject({ matches: [{ example: "/orders/000", counterexample: "/orders/1" }] });
});

test("a condition that does not compile is told with its field, and the others are shown", () => {
  const result = previewMatching([expression("("), template("/health")], resources);
  expect(result.conditions[0]).toMatchObject({ outcome: "invalid", field: "conditions[0].regularExpression" });
  expect(result.conditions[1]).toMatchObject({ outcome: "compiled", matchesNothing: false });
});

test("a resource that is no path is told apart from one that never matches", () => {
  const unreadable = { method: "GET", path: "/a b" };
  expect(previewMatching([expression("/.*")], [unreadable])).toMatchObject({
    neverMatched: [],
    unreadable: [unreadable],
  });
});

test("without conditions a policy acts on everything, so nothing is never matched", () => {
  expect(previewMatching([], resources).neverMatched).toEqual([]);
});

test("the search finds a common path exactly when a generated one exists", () => {
  const segment = fc.constantFrom("orders", "{id}", "a", "{x}-b", "12");
  const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => `/${segments.join("/")}`);
  const atom = fc.constantFrom("/", "[0-9]", "[a-z]", "orders", "a", "-", "12", "[^/]", "\\w", ".");
  const source = fc
    .array(
      fc.tuple(atom, fc.constantFrom("", "*", "+", "?")).map((pair) => pair.join("")),
      { maxLength: 6 },
    )
    .map((pieces) => `/${pieces.join("")}`);
  const values = ["0", "12", "7x", "a", "orders", "-", "ab", "z-9", "_"];
  fc.assert(
    fc.property(path, source, (resource, regularExpression) => {
      const compiled = RE2JS.compile(regularExpression);
      const parts = parseUriTemplate(resource, "path");
      const found = findCommonPath(stepsOf(parts), programOf(compiled));
      const own = RE2JS.compile(
        parts.map((part) => ("literal" in part ? RE2JS.quote(part.literal) : "[^/]+")).join(""),
      );
      if (found === undefined) {
        for (const one of values) {
          for (const two of values) {
            let variable = 0;
            const candidate = parts
              .map((part) => ("literal" in part ? part.literal : [one, two, one][variable++]))
              .join("");
            expect(compiled.testExact(candidate)).toBe(false);
          }
        }
      } else {
        expect(compiled.testExact(found)).toBe(true);
        expect(own.testExact(found)).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});

const openapi = `
openapi: 3.1.0
info: { title: Orders, version: "1" }
paths:
  /orders:
    parameters: []
    get: { responses: {} }
    post: { responses: {} }
  /orders/{id}:
    delete: { responses: {} }
  x-note: { get: {} }
`;

test("reads methods and paths from an OpenAPI document in YAML and in JSON", () => {
  const expected = {
    outcome: "read",
    title: "Orders",
    resources: [
      { method: "GET", path: "/orders" },
      { method: "POST", path: "/orders" },
      { method: "DELETE", path: "/orders/{id}" },
    ],
  };
  expect(readOpenApiResources(openapi)).toEqual(expected);
  const json = JSON.stringify({
    openapi: "3.0.3",
    info: { title: "Orders" },
    paths: { "/orders": { get: {}, post: {} }, "/orders/{id}": { delete: {} } },
  });
  expect(readOpenApiResources(json)).toEqual(expected);
});

test.each([
  ["swagger: '2.0'\npaths: {}", "no OpenAPI 3"],
  ["openapi: [", "neither JSON nor YAML"],
  ["- 1", "no object"],
  ["openapi: 3.0.0\npaths: 1", "paths"],
  ["openapi: 3.0.0\npaths: { /a: { $ref: 'other.yaml' } }", "another document"],
  [`openapi: 3.0.0\nx: "${"a".repeat(4 * 1024 * 1024)}"`, "larger"],
  [
    "a: &a [1,1,1]\nb: &b [*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d]",
    "aliases",
  ],
])("refuses what is no OpenAPI 3 document: %#", (text, reason) => {
  expect(readOpenApiResources(text)).toMatchObject({ outcome: "refused", message: expect.stringContaining(reason) });
});
