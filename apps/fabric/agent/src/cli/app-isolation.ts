import { readFileSync } from "node:fs";
import { parseAppUsers, type AppUsers } from "../cluster/process/app-users.ts";
import type { AgentConfig } from "../config.ts";

/**
 * DRAWBRIDGE_APP_USER, its names looked up on this machine.
 *
 * @throws DrawbridgeError `APP_USER_INVALID` (invalid_argument)
 */
export function readAppUsers(config: Pick<AgentConfig, "APP_USER">): AppUsers {
  return parseAppUsers(config.APP_USER, { passwd: textOf("/etc/passwd"), group: textOf("/etc/group") });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // an image may have none: numbers can be used all the same
  }
}
