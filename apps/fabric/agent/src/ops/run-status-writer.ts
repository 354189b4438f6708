import type { Clock, Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { JsonFile } from "../state/json-file.ts";
import type { RunStatus } from "../state/run-status.ts";

const intervalMs = 1_000;

/** Keeps run-status.json current: written at most once a second, and only when something changed. */
export function createRunStatusWriter(options: {
  readonly file: Pick<JsonFile<RunStatus>, "write">;
  readonly read: () => RunStatus;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { file, clock, logger } = options;
  const stopping = new AbortController();
  let written = "";
  let running: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    const status = options.read();
    const text = JSON.stringify({ ...status, updatedAt: "" });
    if (text === written) return;
    await file.write(status);
    written = text;
  }

  async function run(): Promise<void> {
    let isFailing = false;
    while (!stopping.signal.aborted) {
      try {
        await write();
        isFailing = false;
      } catch (error) {
        if (!isFailing) logger.warn({ err: error }, "run-status.json cannot be written");
        isFailing = true;
      }
      await clock.sleep(intervalMs, stopping.signal).catch(() => undefined); // ends when stopped
    }
  }

  return {
    name: "run-status",
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
