import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeStateFile } from "@drawbridge/app-routes";

const fileName = "restart-order.json";

/** Have all gateways replaced, one after the other, by new processes; whoever drives the fabric sees it. */
export function orderGatewayRestart(directory: string, at: Date): void {
  writeStateFile(join(directory, fileName), { at });
}

/** The last order; empty for none. Another order is another template. */
export function readRestartOrder(directory: string): string {
  try {
    return readFileSync(join(directory, fileName), "utf8").trim();
  } catch {
    return ""; // none yet
  }
}
