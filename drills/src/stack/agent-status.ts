import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "@drawbridge/local/testing";

/** What a running agent says of its tunnel, in run-status.json. */
export interface TunnelStatus {
  readonly status: "not-activated" | "connecting" | "connected" | "waiting" | "refused";
  readonly code?: string;
  readonly message?: string;
}

/** With the process that said it: what an earlier one wrote stays until the next has something to say. */
export async function readTunnelStatus(stateDir: string): Promise<TunnelStatus & { readonly pid: number }> {
  const text = await readFile(join(stateDir, "run-status.json"), "utf8");
  const { pid, tunnel } = JSON.parse(text) as { readonly pid: number; readonly tunnel: TunnelStatus };
  return { ...tunnel, pid };
}

/** The status, as soon as it is as wanted. */
export function tunnelStatus(stateDir: string, wanted: (status: TunnelStatus) => boolean): Promise<TunnelStatus> {
  return eventually(async () => {
    const status = await readTunnelStatus(stateDir);
    return wanted(status) ? status : undefined;
  });
}
