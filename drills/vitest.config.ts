import { defineConfig } from "vitest/config";

/** The short versions of every drill, one stack at a time. The limits end a hang, they do not judge speed. */
export default defineConfig({
  test: { maxWorkers: 1, testTimeout: 1_200_000, hookTimeout: 240_000 },
});
