import { defineConfig } from "vitest/config";

// Real processes, real TLS: the limits are there to end a hang, not to judge speed.
// oxlint-disable-next-line import/no-default-export -- vitest reads its configuration from the default export
export default defineConfig({ test: { testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 2 } });
