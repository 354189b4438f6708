import type { Manifest, PropertySchema } from "./manifest-schema.ts";
import { checkValue, compilePattern } from "./property-value.ts";

/** One thing wrong with a manifest, before its position is known. */
export interface RuleViolation {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Names that the platform itself gives to an app. */
const reservedPrefix = "DRAWBRIDGE_";

/** Rules between fields, which a schema of single fields cannot say. */
export function findRuleViolations(manifest: Manifest): readonly RuleViolation[] {
  return [
    ...commandViolations(manifest),
    ...portViolations(manifest),
    ...propertyViolations(manifest),
    ...apiViolations(manifest),
  ];
}

function* commandViolations({ runtime }: Manifest): Generator<RuleViolation> {
  if (runtime.command[0] === "")
    yield { path: ["runtime", "command", 0], message: 'must name a program, for example "node"' };
  for (const [index, argument] of runtime.command.entries()) {
    if (argument.includes("\0"))
      yield { path: ["runtime", "command", index], message: "must not hold a NUL character; remove it" };
  }
}

function* portViolations({ ports, readiness, metrics }: Manifest): Generator<RuleViolation> {
  for (const field of ["name", "env"] as const) {
    const seen = new Set<string>();
    for (const [index, port] of ports.entries()) {
      if (seen.has(port[field]))
        yield { path: ["ports", index, field], message: `is used twice; give each port its own ${field}` };
      if (field === "env" && port.env.startsWith(reservedPrefix)) {
        yield { path: ["ports", index, "env"], message: `must not begin with ${reservedPrefix}, which is reserved` };
      }
      seen.add(port[field]);
    }
  }
  for (const [field, port] of [
    ["readiness", readiness.port],
    ["metrics", metrics?.port],
  ] as const) {
    if (port === undefined || ports.some(({ name }) => name === port)) continue;
    const names = ports.map(({ name }) => name).join(", ");
    const message = `is not one of the ports (${names}); use one of their names or leave it out`;
    yield { path: [field, "port"], message };
  }
  const asked = metrics === undefined ? undefined : ports.find(({ name }) => name === (metrics.port ?? ports[0]?.name));
  if (asked?.protocol === "h2c") {
    yield { path: ["metrics"], message: `cannot be read at ${asked.name}, which speaks h2c; name a port of http1` };
  }
}

function* propertyViolations({ configuration, ports }: Manifest): Generator<RuleViolation> {
  for (const [name, property] of Object.entries(configuration.properties)) {
    const path = ["configuration", "properties", name];
    if (name.startsWith(reservedPrefix))
      yield { path, message: `must not begin with ${reservedPrefix}, which is reserved` };
    if (ports.some((port) => port.env === name)) {
      yield { path, message: "is already the environment variable of a port; rename one of them" };
    }
    yield* definitionViolations(path, property);
  }
}

function* definitionViolations(path: readonly string[], property: PropertySchema): Generator<RuleViolation> {
  if (property.secret && property.default !== undefined) {
    yield {
      path: [...path, "default"],
      message: "a secret has no default, because everybody can read a manifest; remove it",
    };
    return;
  }
  if (property.required && property.default !== undefined) {
    yield {
      path: [...path, "required"],
      message: "a property with a default is never missing; remove required or default",
    };
  }
  if (property.pattern !== undefined) {
    if (property.type !== "string") {
      yield { path: [...path, "pattern"], message: `is only for type string, not for ${property.type}; remove it` };
      return;
    }
    if (compilePattern(property.pattern) === undefined) {
      yield { path: [...path, "pattern"], message: "is not a valid regular expression" };
      return;
    }
  }
  if (property.default !== undefined) {
    const problem = checkValue(property, String(property.default));
    if (problem !== undefined) yield { path: [...path, "default"], message: problem };
  }
}

function* apiViolations({ apis }: Manifest): Generator<RuleViolation> {
  const seen = new Set<string>();
  for (const [index, api] of apis.entries()) {
    const key = `${api.name}\n${api.version}`;
    if (seen.has(key))
      yield { path: ["apis", index, "name"], message: "this API and version is declared twice; remove one" };
    seen.add(key);
  }
}
