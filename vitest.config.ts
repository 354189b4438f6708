import { defineConfig } from "vitest/config";

const seconds = 1000;

/** A renewal that is late fails it: nothing else runs beside it. */
const measured = ["infra/local/test/revocation.test.ts"];
/** All others: `vitest run --root drills`. What they show on a whole stack, integration tests of the programs that they break show. */
const drills = ["kill-anything", "smuggling"].map((drill) => `drills/test/${drill}.test.ts`);

/**
 * Integration and end-to-end tests start real servers and processes, so their limits are there to end a hang, not to judge
 * speed. Unit tests of the same worker share what they import: to load it anew for each file took more than two thirds of
 * their CPU. So a unit test leaves nothing changed behind in a module or in `process`.
 */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "unit",
          isolate: false,
          include: ["{apps/*/*,packages/*,infra/local,infra/dashboards,bench,drills}/src/**/*.test.ts"],
          testTimeout: 120 * seconds,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "integration",
          include: ["{apps/*/*,packages/*,infra/dashboards}/test/**/*.test.ts"],
          globalSetup: ["packages/testkit/src/global-setup.ts"],
          expect: { poll: { timeout: 240 * seconds } },
          testTimeout: 300 * seconds,
          hookTimeout: 300 * seconds,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["infra/local/test/**/*.test.ts", ...drills],
          exclude: measured,
          testTimeout: 900 * seconds,
          hookTimeout: 480 * seconds,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: "e2e alone",
          include: measured,
          testTimeout: 900 * seconds,
          hookTimeout: 480 * seconds,
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
