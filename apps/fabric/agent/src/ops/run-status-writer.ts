import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
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
  let written = "";
  let isFailing = false;
  return createLoop({
    name: "run-status",
    clock,
    intervalMs,
    pass: async () => {
      const status = options.read();
      const text = JSON.stringify({ ...status, updatedAt: "" });
      if (text !== written) await file.write(status);
      written = text;
      isFailing = false;
    },
    onError: (error) => {
      if (!isFailing) logger.warn({ err: error }, "run-status.json cannot be written");
      isFailing = true;
    },
  });
}
