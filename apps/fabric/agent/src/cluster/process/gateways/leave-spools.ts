import { existsSync, readdirSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import {
  gatewayOwnDirectory,
  gatewaySpoolDirectory,
  leftSpoolsDirectory,
  takenSpoolsDirectory,
} from "@drawbridge/app-routes";
import { isOver, type CurrentGatewayUnit } from "./plan-gateways.ts";

/**
 * Where gateways that are gone did not deliver all that they report, leave it to those that are there, also what they had taken
 * over themselves. Nothing of such a gateway lives, and whoever calls this starts none meanwhile.
 */
export async function leaveSpools(
  directory: string,
  units: readonly CurrentGatewayUnit[],
  now: Date,
): Promise<readonly string[]> {
  const left = leftSpoolsDirectory(directory);
  const moved: string[] = [];
  for (const { unitId } of units.filter(isOver)) {
    const own = gatewayOwnDirectory(directory, unitId);
    const taken = takenSpoolsDirectory(own);
    const spool = gatewaySpoolDirectory(own);
    const names = existsSync(taken) ? readdirSync(taken) : [];
    const moves = names.map((name) => [join(taken, name), name] as const);
    // Without a state nothing was ever kept there.
    if (existsSync(join(spool, "state"))) moves.push([spool, `${unitId}.${now.getTime()}`]);
    for (const [from, name] of moves) {
      await mkdir(left, { recursive: true, mode: 0o700 });
      await rename(from, join(left, name));
      moved.push(name);
    }
  }
  return moved;
}
