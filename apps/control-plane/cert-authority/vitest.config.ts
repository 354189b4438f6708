import { defineConfig } from "vitest/config";

// One PostgreSQL for all files of the run; real processes take their time to start on a busy machine.
// oxlint-disable-next-line import/no-default-export -- vitest reads its configuration from the default export
export default defineConfig({
  test: {
    globalSetup: ["@drawbridge/testkit/global-setup"],
    testTimeout: 30_000,
    hookTimeout: 180_000,
  },
});
