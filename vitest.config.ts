import { defineConfig } from "vitest/config";

const seconds = 1000;

/**
 * Three suites. Integration and end-to-end tests start real servers and processes, so their limits are there to end a
 * hang, not to judge speed.
 */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "unit",
          include: ["{apps/*/*,packages/*,infra/local,bench,drills}/src/**/*.test.ts"],
          testTimeout: 30 * seconds,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "integration",
          include: ["{apps/*/*,packages/*}/test/**/*.test.ts"],
          globalSetup: ["packages/testkit/src/global-setup.ts"],
          testTimeout: 120 * seconds,
          hookTimeout: 120 * seconds,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["infra/local/test/**/*.test.ts", "drills/test/*.test.ts"],
          testTimeout: 600 * seconds,
          hookTimeout: 240 * seconds,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
