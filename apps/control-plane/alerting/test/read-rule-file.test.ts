import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { readRuleFile } from "../src/rules/read-rule-file.ts";

test("a file that is not YAML is refused with the place, and nothing of what stands there", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "rules.yaml");
  await writeFile(path, `receivers:\n  - { name: a, webhook: { url: "https://hooks.example/a-secret" \n`);
  let refusal: unknown;
  try {
    readRuleFile(path);
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toMatchObject({
    code: "ALERT_RULES_INVALID",
    message: expect.stringMatching(/is not YAML: [A-Z_]+ at line \d+, column \d+$/),
  });
  expect(inspect(refusal, { depth: 10 })).not.toContain("a-secret");
});
