import { rename } from "node:fs/promises";
import type { Logger } from "@drawbridge/telemetry";

/**
 * A file or folder that cannot be used is kept for whoever wants to know why, but out of the way: the agent goes on as if
 * it were not there instead of failing at every start.
 */
export async function moveAside(
  path: string,
  options: { readonly now: Date; readonly reason: string; readonly logger: Pick<Logger, "error"> },
): Promise<string> {
  const target = `${path}.corrupt-${options.now.toISOString().replaceAll(/[:.]/g, "-")}`;
  await rename(path, target);
  options.logger.error({ path, moved_to: target, reason: options.reason }, "unusable state file moved aside");
  return target;
}
