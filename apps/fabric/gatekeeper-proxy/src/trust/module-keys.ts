import { readFileSync } from "node:fs";
import type { Logger } from "@drawbridge/telemetry";

const block = /-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g;

/**
 * Public keys whose owners may sign modules of custom policies: what the fabric's operator put into `path`, PEM one after the
 * other, read at start. It is not the control plane's to say: who may edit policies must not thereby run code here. No file:
 * no key, and no module runs.
 */
export function readModuleKeys(path: string, logger: Pick<Logger, "error">): readonly string[] {
  try {
    return readFileSync(path, "utf8").match(block) ?? [];
  } catch (error) {
    const isAbsent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isAbsent) logger.error({ err: error }, "the keys for modules of custom policies cannot be read: none runs");
    return [];
  }
}
