import { rm } from "node:fs/promises";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { z } from "zod";
import { createJsonFile, type JsonFile } from "../state/json-file.ts";

const allowanceSchema = z.object({
  schemaVersion: z.literal(1),
  /** Since when the agent runs with this permission. */
  since: z.string(),
  /** Absent: all. */
  environments: z.array(z.string()).optional(),
});

/** The owner lets gateways capture exchanges. */
export type InsightAllowance = Readonly<z.output<typeof allowanceSchema>>;

interface AllowanceDeps {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** `undefined`: the agent ran last without the permission. */
export function readInsightAllowance(deps: AllowanceDeps): Promise<InsightAllowance | undefined> {
  return fileOf(deps).read();
}

/** Written down at the start of the agent, so that the ledger can say since when exchanges may have left. */
export async function noteInsightAllowance(
  deps: AllowanceDeps & { readonly isAllowed: boolean; readonly environments: readonly string[] | undefined },
): Promise<void> {
  const { isAllowed, environments } = deps;
  if (!isAllowed) return rm(deps.path, { force: true });
  const file = fileOf(deps);
  const before = await file.read();
  if (before !== undefined && String(before.environments) === String(environments)) return;
  await file.write({
    schemaVersion: 1,
    since: deps.clock.now().toISOString(),
    ...(environments && { environments: [...environments] }),
  });
}

function fileOf({ path, clock, logger }: AllowanceDeps): JsonFile<InsightAllowance> {
  return createJsonFile({ path, schema: allowanceSchema, clock, logger });
}
