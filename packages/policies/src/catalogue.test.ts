import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { policyCatalogue } from "./catalogue.ts";
import { fieldsOf } from "./docs/schema-fields.ts";
import { policyDocs } from "./docs/policy-docs.ts";
import { policyJsonSchema, validatePolicy } from "./validate-policy.ts";

const types = [...policyCatalogue.keys()];
const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8");

test.each(types)("%s: its JSON Schema is one, refuses unknown fields, and explains every field", (type) => {
  const schema = policyJsonSchema(type);
  if (schema === undefined) throw new Error("no schema");
  const validate = new Ajv2020({ strict: true, keywords: ["secret"] }).compile(schema);
  expect(validate({ noSuchField: 1 })).toBe(false);
  const unexplained = fieldsOf(schema).filter(
    ({ schema: field }) => field.description === undefined && field.const === undefined,
  );
  expect(unexplained.map(({ path }) => path)).toEqual([]);
});

test.each(types)("%s: an unknown field, and what is no object, is refused by name", (type) => {
  expect(validatePolicy(type, { noSuchField: 1 }).problems).toContainEqual({
    field: "noSuchField",
    message: "is no field of this policy type",
  });
  for (const configuration of [null, [], 1, "text"]) expect(validatePolicy(type, configuration).ok).toBe(false);
});

test("a configuration is judged by its type, and a type that does not exist has none", () => {
  expect(validatePolicy("client-id-enforcement", {})).toEqual({ ok: true, problems: [] });
  expect(validatePolicy("no-such-type", {})).toEqual({
    ok: false,
    problems: [{ field: "", message: 'there is no policy type "no-such-type"' }],
  });
  expect(policyJsonSchema("no-such-type")).toBeUndefined();
});

test("problems name the field and never repeat what was given, which may be a secret", () => {
  const configuration = {
    inbound: [{ name: "x-key", secretValue: "hunter2\r\n" }, { name: 7, value: true }, {}],
    outbound: "hunter2",
  };
  const { problems } = validatePolicy("header-injection", configuration);
  expect(problems.map(({ field, message }) => `${field}: ${message}`)).toEqual([
    "inbound[0].secretValue: must be visible ASCII, with spaces only inside",
    "inbound[1].name: must be text",
    "inbound[1].value: must be text",
    "inbound[2].name: is missing",
    "outbound: must be a list",
  ]);
  expect(JSON.stringify(problems)).not.toContain("hunter2");
});

test("docs/policies.md is what the schemas say: node packages/policies/src/write-policy-docs.ts", () => {
  expect(readFileSync(join(import.meta.dirname, "../../../docs/policies.md"), "utf8")).toBe(policyDocs());
});

test("the README lists every type", () => {
  const listed = [...readme.matchAll(/^\| `([a-z0-9-]+)`/gm)].map((match) => match[1]);
  expect(new Set(listed)).toEqual(new Set(types));
  expect(listed).toHaveLength(types.length);
});

test("the README lists every reason of a refusal", () => {
  const sources = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && !path.startsWith("testing"))
    .map((path) => readFileSync(join(import.meta.dirname, path), "utf8"));
  const reasons = sources.flatMap((source) =>
    [...source.matchAll(/(?:reason: |refused\()"([a-z0-9_]+)",\s*(?:title|headers|")/g)].map((match) => match[1] ?? ""),
  );
  expect(reasons.length).toBeGreaterThan(20);
  expect([...new Set(reasons)].filter((reason) => !readme.includes(`\`${reason}\``))).toEqual([]);
});
