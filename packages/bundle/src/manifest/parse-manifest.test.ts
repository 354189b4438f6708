import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { parse } from "yaml";
import { expect, test } from "vitest";
import { manifestJsonSchema } from "./manifest-json-schema.ts";
import { manifestProblems, parseManifest } from "./parse-manifest.ts";

const head = `apiVersion: drawbridge/v1\nname: orders\nversion: "1.0.0"\n`;
const minimal = `${head}runtime: { command: [node, server.js] }\n`;

function problemsOf(source: string) {
  try {
    parseManifest(source);
  } catch (error) {
    return manifestProblems(error).map(({ line, column, field, message }) => `${line}:${column} ${field}: ${message}`);
  }
  return [];
}

test("fills in what a manifest leaves out", () => {
  expect(parseManifest(minimal)).toEqual({
    apiVersion: "drawbridge/v1",
    name: "orders",
    version: "1.0.0",
    runtime: { command: ["node", "server.js"] },
    ports: [{ name: "http", env: "PORT" }],
    readiness: { path: "/", timeoutSeconds: 60 },
    resources: { memoryMiB: 512, cpuMillis: 1000 },
    configuration: { properties: {} },
    drainSeconds: 25,
    apis: [],
    bundle: { dependencies: false },
  });
});

test("reads its own output as JSON, without a change", () => {
  const property = fc.record(
    { type: fc.constantFrom("string", "integer"), required: fc.boolean(), secret: fc.boolean() },
    { requiredKeys: [] },
  );
  const configuration = fc.dictionary(
    fc.stringMatching(/^[A-Z]{3,8}$/).filter((name) => name !== "PORT"),
    property,
  );
  fc.assert(
    fc.property(configuration, fc.integer({ min: 0, max: 3600 }), (properties, drainSeconds) => {
      const source = { ...(parse(minimal) as object), configuration: { properties }, drainSeconds };
      const once = parseManifest(JSON.stringify(source));
      expect(parseManifest(JSON.stringify(once))).toEqual(once);
    }),
  );
});

test.each([
  [
    "an unknown field, at its name",
    `${minimal}replicas: 3\n`,
    "5:1 replicas: is not a known field; remove it or correct its spelling",
  ],
  [
    "an unknown field further down",
    `${head}runtime:\n  command: [a]\n  imge: x\n`,
    "6:3 runtime.imge: is not a known field; remove it or correct its spelling",
  ],
  [
    "a missing field, at its parent",
    head,
    '1:1 runtime: is missing; add it, for example runtime: { command: ["node", "server.js"] }',
  ],
  [
    "a number where text belongs",
    minimal.replace('"1.0.0"', "1.0"),
    '3:10 version: must be text; put it in quotes, for example "1.0.0"',
  ],
  [
    "a command that is a string",
    `${head}runtime:\n  command: node server.js\n`,
    '5:12 runtime.command: must be a list, for example ["node", "server.js"]',
  ],
  [
    "a missing field in a list",
    `${minimal}ports:\n  - name: http\n`,
    '6:5 ports[0].env: is missing; add it, for example "PORT"',
  ],
  [
    "a bad type of a property",
    `${minimal}configuration:\n  properties:\n    A: { type: text }\n`,
    "7:16 configuration.properties.A.type: must be string, integer, number or boolean",
  ],
  [
    "a bad name of a property",
    `${minimal}configuration:\n  properties:\n    1A: {}\n`,
    "7:5 configuration.properties.1A: the name must begin with a letter or _ and have only letters, digits, _, . and -, at most 128",
  ],
  [
    "a readiness port that does not exist",
    `${minimal}readiness:\n  port: web\n`,
    "6:9 readiness.port: is not one of the ports (http); use one of their names or leave it out",
  ],
  [
    "a metrics port that does not exist",
    `${minimal}metrics:\n  port: web\n`,
    "6:9 metrics.port: is not one of the ports (http); use one of their names or leave it out",
  ],
  [
    "metrics at a port that speaks HTTP/2",
    `${minimal}ports: [{ name: grpc, env: PORT, protocol: h2c }]\nmetrics: {}\n`,
    "6:10 metrics: cannot be read at grpc, which speaks h2c; name a port of http1",
  ],
  [
    "a metric whose name is text",
    `${minimal}metrics: { names: ["a{b}"] }\n`,
    "5:20 metrics.names[0]: must be the name of a metric: letters, digits and _, at most 100",
  ],
  [
    "a secret with a default",
    `${minimal}configuration: { properties: { A: { secret: true, default: x } } }\n`,
    "5:60 configuration.properties.A.default: a secret has no default, because everybody can read a manifest; remove it",
  ],
  [
    "a default that breaks its own rule",
    `${minimal}configuration: { properties: { A: { type: integer, default: x } } }\n`,
    "5:61 configuration.properties.A.default: must be a whole number, for example 42",
  ],
  [
    "a pattern that is no expression",
    `${minimal}configuration: { properties: { A: { pattern: "(" } } }\n`,
    "5:46 configuration.properties.A.pattern: is not a valid regular expression",
  ],
  [
    "a property named like a port",
    `${minimal}configuration: { properties: { PORT: {} } }\n`,
    "5:38 configuration.properties.PORT: is already the environment variable of a port; rename one of them",
  ],
  [
    "a reserved name",
    `${minimal}configuration: { properties: { DRAWBRIDGE_X: {} } }\n`,
    "5:46 configuration.properties.DRAWBRIDGE_X: must not begin with DRAWBRIDGE_, which is reserved",
  ],
  [
    "two ports of one name",
    `${minimal}ports: [{ name: a, env: A }, { name: a, env: B }]\n`,
    "5:38 ports[1].name: is used twice; give each port its own name",
  ],
  [
    "a NUL in an argument",
    `${head}runtime: { command: ["node", "a\\0b"] }\n`,
    "4:30 runtime.command[1]: must not hold a NUL character; remove it",
  ],
  [
    "a memory below the minimum",
    `${minimal}resources: { memoryMiB: 1 }\n`,
    "5:25 resources.memoryMiB: must be a whole number from 16 to 1048576",
  ],
])("names line, column and field of %s", (_what, source, expected) => {
  expect(problemsOf(source)).toEqual([expected]);
});

test.each([
  ["nothing", ""],
  ["a list", "- 1"],
  ["broken YAML", "a: ["],
  ["a key twice", `${minimal}name: other\n`],
  ["an unknown tag", `${minimal}drainSeconds: !secret 1\n`],
  [
    "more aliases than a person writes",
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c]`,
  ],
  ["a file of 300 KiB", `${minimal}# ${"x".repeat(300 * 1024)}`],
])("refuses %s with one line that says where", (_what, source) => {
  const problems = problemsOf(source);
  expect(problems.length).toBeGreaterThan(0);
  expect(problems[0]).toMatch(/^\d+:\d+ /);
});

test("puts file, line, column and field of the first problem into the details", () => {
  expect(() => parseManifest(`${minimal}x: 1\n`, "app/drawbridge.yaml")).toThrow(
    expect.objectContaining({
      code: "MANIFEST_INVALID",
      kind: "invalid_argument",
      message:
        "app/drawbridge.yaml has 1 problem:\n  app/drawbridge.yaml:5:1 x is not a known field; remove it or correct its spelling",
      details: expect.objectContaining({ file: "app/drawbridge.yaml", line: "5", column: "1", field: "x" }) as object,
    }),
  );
});

test("survives any text", () => {
  fc.assert(fc.property(fc.string({ maxLength: 200, unit: "binary" }), (source) => problemsOf(source).length > 0));
});

test("the published JSON Schema is the one of the code", () => {
  const published: unknown = JSON.parse(
    readFileSync(new URL("../../schema/drawbridge.schema.json", import.meta.url), "utf8"),
  );
  expect(published, "run: node packages/bundle/src/manifest/write-json-schema.ts").toEqual(
    JSON.parse(JSON.stringify(manifestJsonSchema())),
  );
});

test("the published JSON Schema takes what the parser takes and refuses what it refuses", () => {
  const validate = new Ajv2020({ strict: false }).compile(manifestJsonSchema());
  expect(validate(parse(minimal))).toBe(true);
  expect(validate(JSON.parse(JSON.stringify(parseManifest(minimal))))).toBe(true);
  for (const source of [head, `${minimal}replicas: 3`, minimal.replace('"1.0.0"', "1.0")])
    expect(validate(parse(source)), source).toBe(false);
});
