// Run after a change of the contracts: node apps/fabric/agent/test/egress/write-field-classes.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fieldClassesFromProto } from "./field-classes-from-proto.ts";

const path = join(import.meta.dirname, "../../src/egress/field-classes.ts");
writeFileSync(
  path,
  `import type { FieldClasses } from "./field-rule.ts";

/**
 * Data class of every field that the agent may send. Made from the contracts by test/egress/write-field-classes.ts; a test
 * fails when it is stale.
 */
export const fieldClasses: FieldClasses = ${JSON.stringify(fieldClassesFromProto(), undefined, 2)};
`,
);
