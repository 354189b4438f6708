import { rm } from "node:fs/promises";
import type { Clock, Component } from "@drawbridge/lifecycle";
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
}): Component {
  const { path, clock } = options;
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    if ((await readFileIfPresent(path).catch(() => undefined)) === undefined) return; // unreadable is no order
    await rm(path).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
    options.onOrder();
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await look();
      await clock.sleep(lookMs, stopping.signal).catch(() => undefined); // ends when stopped
    }
  }

  return {
    name: "renew-order",
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("the agent is stopping"));
      await running;
    },
  };
}
