import { defineConfig } from "vitest/config";

// Real TLS handshakes on a machine that may be busy.
export default defineConfig({ test: { testTimeout: 30_000 } });
