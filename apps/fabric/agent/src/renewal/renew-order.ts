import { rm } from "node:fs/promises";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { isNotFound, readFileIfPresent, writeFileAtomic } from "../state/atomic-file.ts";

/** How often a running agent looks for an order. */
const lookMs = 1_000;

/** `renew-now` in the state folder: `drawbridge-agent renew --now` asks the running agent with it. It holds nothing of worth. */
export async function orderRenewal(path: string, now: Date): Promise<void> {
  await writeFileAtomic(path, `${now.toISOString()}\n`);
}

/** Notices an order, takes it away and passes it on. */
export function createRenewOrderWatch(options: {
  readonly path: string;
  readonly onOrder: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { path, clock } = options;
  return createLoop({
    name: "renew-order",
    clock,
    intervalMs: lookMs,
    pass: async () => {
      if ((await readFileIfPresent(path).catch(() => undefined)) === undefined) return; // unreadable is no order
      await rm(path).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
      options.onOrder();
    },
    onError: (error) => options.logger.warn({ err: error }, "an order to renew cannot be taken"),
  });
}
