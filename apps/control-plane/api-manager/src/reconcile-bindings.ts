import { isDrawbridgeError } from "@drawbridge/errors";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { BindingQuestion } from "./clients/binding-question.ts";
import type { BindingRepository } from "./store/bindings.ts";

/**
 * From time to time the owner is asked about every fabric that it or we know of: events may be lost, and a revision that is no
 * longer served takes its bindings with it without an event. A fabric that cannot be asked about keeps no other waiting.
 */
export function createBindingReconciler(deps: {
  readonly bindings: BindingRepository;
  readonly question: BindingQuestion;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { bindings, question, clock, logger } = deps;

  function onError(error: unknown): void {
    // Outages are logged once, by the store and the client.
    const level = isDrawbridgeError(error) && error.kind === "unavailable" ? "debug" : "error";
    logger[level]({ err: error, component: "binding reconciler" }, "bindings not reconciled, will run again");
  }

  return createLoop({
    name: "binding reconciler",
    clock,
    intervalMs: deps.intervalMs,
    pass: async (signal) => {
      const known = await bindings.fabricIds();
      const fabricIds = new Set([...known, ...(await question.boundFabrics(signal))]);
      for (const fabricId of fabricIds) {
        if (signal.aborted) return;
        const ask = () => question.of(fabricId, signal);
        await bindings.refresh({ fabricId, ask, now: clock.now() }).catch(onError);
      }
    },
    onError,
  });
}
