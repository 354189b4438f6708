import { readFileSync } from "node:fs";
import { configTable } from "@drawbridge/config";
import { expect, test } from "vitest";
import { configSchema } from "./config.ts";

test("the README shows the configuration as it is", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  expect(readme).toContain(configTable(configSchema));
});
