import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    globalSetup: ["@drawbridge/testkit/global-setup"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
