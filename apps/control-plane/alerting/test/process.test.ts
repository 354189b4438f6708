import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { programEnvironment, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";

test.each([
  ["rules: [", "is not YAML"],
  [
    "receivers: []\nrules:\n  - { name: r, environment: e, metric: { figure: errors }, above: 1, receivers: [x] }",
    "there is no receiver x",
  ],
  [
    "receivers: [{ name: x, webhook: { url: 'https://hooks.example/', secretFile: /nowhere/secret } }]\nrules: []",
    "the secret of the receiver x cannot be read",
  ],
  [
    "receivers: [{ name: x, email: { to: [a@example.com] } }]\nrules:\n  - { name: r, environment: e, analytics: { figure: requests }, above: 1, receivers: [x] }",
    "ANALYTICS_INGEST_ADDRESS is not set",
  ],
])("a file of rules that cannot be used ends the program with a line that says why: %s", async (rules, reason) => {
  await using folder = await tempDir();
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder.path, name), text);
    return join(folder.path, name);
  };
  const child = spawn(process.execPath, [join(import.meta.dirname, "../src/main.ts")], {
    env: {
      ...programEnvironment(),
      DRAWBRIDGE_DATABASE_URL_FILE: await file("database-url", "postgres://127.0.0.1:1/none"),
      DRAWBRIDGE_IDENTITY_DIR: folder.path,
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: "127.0.0.1:1",
      DRAWBRIDGE_RULES_FILE: await file("rules.yaml", rules),
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let written = "";
  child.stderr.on("data", (text) => void (written += String(text)));
  const [exitCode] = (await once(child, "close")) as [number | null];
  expect({ exitCode, lines: written.trim().split("\n").length }).toEqual({ exitCode: 1, lines: 1 });
  expect(written).toContain(reason);
});
