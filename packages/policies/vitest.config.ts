import { defineConfig } from "vitest/config";

// oxlint-disable-next-line import/no-default-export -- where vitest looks for its configuration
export default defineConfig({ test: { testTimeout: 60_000 } });
