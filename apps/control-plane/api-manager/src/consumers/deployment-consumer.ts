import { createConsumer, streamOf, type Bus } from "@drawbridge/bus";
import type { Clock, Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { BindingQuestion } from "../clients/binding-question.ts";
import type { BindingRepository } from "../store/bindings.ts";

/**
 * A deployment may have changed what its fabric is bound to, or the fabric is gone: its owner is asked. What the event says
 * is not taken for true, so that an old or a forged one does nothing.
 */
export function createDeploymentConsumer(deps: {
  readonly bus: Bus;
  readonly bindings: Pick<BindingRepository, "refresh">;
  readonly question: BindingQuestion;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  return createConsumer({
    bus: deps.bus,
    stream: streamOf("runtime.deployment.desired.v1"),
    durable: "api-manager",
    types: ["runtime.deployment.desired.v1", "runtime.fabric.deleted.v1"],
    clock: deps.clock,
    logger: deps.logger,
    handle: ({ id, payload }, signal) =>
      deps.bindings.refresh({
        fabricId: payload.fabricId,
        eventId: id,
        ask: () => deps.question.of(payload.fabricId, signal),
        now: deps.clock.now(),
      }),
  });
}
