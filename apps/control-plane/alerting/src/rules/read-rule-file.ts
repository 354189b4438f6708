import { readFileSync } from "node:fs";
import { DrawbridgeError } from "@drawbridge/errors";
import { parse } from "yaml";
import { type RuleFile, ruleFileSchema } from "./rule-file.ts";

const shown = 10;

/**
 * The operator's file, as a whole or not at all. An empty one has nobody to tell.
 * @throws DrawbridgeError `ALERT_RULES_INVALID` (invalid_argument), which names each place
 */
export function readRuleFile(path: string): RuleFile {
  let content: unknown;
  try {
    content = parse(readFileSync(path, "utf8")) ?? {};
  } catch (cause) {
    throw rulesInvalid(`${path} cannot be read, or is not YAML`, cause);
  }
  const read = ruleFileSchema.safeParse(content);
  if (read.success) return read.data;
  const problems = read.error.issues.slice(0, shown).map(({ path: at, message }) => `${at.join(".")}: ${message}`);
  throw rulesInvalid(`${path}: ${problems.join("; ")}`, undefined);
}

export function rulesInvalid(message: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "ALERT_RULES_INVALID", message, cause });
}
