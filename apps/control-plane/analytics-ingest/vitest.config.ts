import { defineConfig } from "vitest/config";

// oxlint-disable-next-line import/no-default-export -- where vitest looks for its configuration
export default defineConfig({
  test: { globalSetup: ["@drawbridge/testkit/global-setup"], testTimeout: 60_000, hookTimeout: 120_000 },
});
