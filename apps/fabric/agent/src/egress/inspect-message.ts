import { DrawbridgeError } from "@drawbridge/errors";
import type { OutboundField, DataClass } from "@drawbridge/egress";
import { fieldClasses } from "./field-classes.ts";

/**
 * The fields that a message sets. A message in a message counts by its own fields, so that an answer without content in
 * a frame made for payload is what it is: metadata. A repeated field of payload counts as soon as it has an element.
 * @throws DrawbridgeError `EGRESS_FIELD_UNCLASSIFIED` (internal) for a field that the contracts gave no class
 */
export function inspectMessage(typeName: string, message: object): readonly OutboundField[] {
  const found = new Map<string, DataClass>();
  visit(typeName, message, "", found);
  return [...found].map(([path, dataClass]) => ({ path, dataClass }));
}

/** Every field that a message may set. @throws DrawbridgeError `EGRESS_FIELD_UNCLASSIFIED` (internal) */
export function fieldsOfType(typeName: string, prefix = ""): readonly OutboundField[] {
  const rules = fieldClasses[typeName];
  if (rules === undefined) throw unclassified(typeName, prefix);
  return Object.entries(rules).flatMap(([name, { message, isRepeated, dataClass }]) => {
    const path = `${prefix}${name}${isRepeated ? "[]" : ""}`;
    return message === undefined ? [{ path, dataClass }] : fieldsOfType(message, `${path}.`);
  });
}

function visit(typeName: string, message: object, prefix: string, found: Map<string, DataClass>): void {
  const rules = fieldClasses[typeName];
  for (const [key, value] of Object.entries(message)) {
    if (isUnset(value)) continue;
    const isOneof = isCase(value) && rules?.[key] === undefined;
    const name = isOneof ? value.$case : key;
    const content: unknown = isOneof ? value.value : value;
    const rule = rules?.[name];
    const path = `${prefix}${isOneof ? `${key}.` : ""}${name}`;
    if (rule === undefined) throw unclassified(typeName, path);
    if (rule.message === undefined || (rule.isRepeated && rule.dataClass === "PAYLOAD")) {
      found.set(rule.isRepeated ? `${path}[]` : path, rule.dataClass);
    }
    if (rule.message === undefined) continue;
    const children: readonly unknown[] = Array.isArray(content) ? content : [content];
    for (const child of children) {
      if (typeof child !== "object" || child === null) continue;
      visit(rule.message, child, rule.isRepeated ? `${path}[].` : `${path}.`, found);
    }
  }
}

/** Default values are not written to the wire. */
function isUnset(value: unknown): boolean {
  return (
    value === undefined ||
    value === "" ||
    value === 0 ||
    value === 0n ||
    value === false ||
    (Array.isArray(value) && value.length === 0) ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function isCase(value: unknown): value is { readonly $case: string; readonly value: unknown } {
  return typeof value === "object" && value !== null && "$case" in value && typeof value.$case === "string";
}

function unclassified(typeName: string, path: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "EGRESS_FIELD_UNCLASSIFIED",
    message: `the field ${path} of ${typeName} has no data class: it does not leave the fabric`,
  });
}
