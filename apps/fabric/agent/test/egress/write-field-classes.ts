// Run after a change of the contracts: node apps/fabric/agent/test/egress/write-field-classes.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FieldRule } from "../../src/egress/field-rule.ts";
import { fieldClassesFromProto } from "./field-classes-from-proto.ts";

const path = join(import.meta.dirname, "../../src/egress/field-classes.ts");

/** One line per field: the formatter keeps an object on the line where it opened. */
const ruleText = ([name, rule]: [string, FieldRule]): string => `    ${name}: ${JSON.stringify(rule)},`;
const messages = Object.entries(fieldClassesFromProto()).map(
  ([name, rules]) => `  ${JSON.stringify(name)}: {\n${Object.entries(rules).map(ruleText).join("\n")}\n  },`,
);
writeFileSync(
  path,
  `import type { FieldClasses } from "./field-rule.ts";

/**
 * Data class of every field that the agent may send. Made from the contracts by test/egress/write-field-classes.ts; a test
 * fails when it is stale.
 */
export const fieldClasses: FieldClasses = {
${messages.join("\n")}
};
`,
);
