import { readFileSync } from "node:fs";
import { DrawbridgeError } from "@drawbridge/errors";
import { parse, YAMLParseError } from "yaml";
import { type RuleFile, ruleFileSchema } from "./rule-file.ts";

const shown = 10;

/**
 * The operator's file, as a whole or not at all. An empty one has nobody to tell.
 * @throws DrawbridgeError `ALERT_RULES_INVALID` (invalid_argument), which names each place
 */
export function readRuleFile(path: string): RuleFile {
  const content = parsed(path, textOf(path)) ?? {};
  const read = ruleFileSchema.safeParse(content);
  if (read.success) return read.data;
  const problems = read.error.issues.slice(0, shown).map(({ path: at, message }) => `${at.join(".")}: ${message}`);
  throw rulesInvalid(`${path}: ${problems.join("; ")}`, undefined);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw rulesInvalid(`${path} cannot be read`, cause);
  }
}

/** What the parser says quotes the line, which may be a webhook's URL with a secret in it: only the place is told. */
function parsed(path: string, text: string): unknown {
  try {
    return parse(text, { logLevel: "error" });
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw rulesInvalid(`${path} is not YAML`);
    const [at] = error.linePos ?? [];
    throw rulesInvalid(`${path} is not YAML: ${error.code}${at ? ` at line ${at.line}, column ${at.col}` : ""}`);
  }
}

export function rulesInvalid(message: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "ALERT_RULES_INVALID", message, cause });
}
