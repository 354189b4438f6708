import { createConsumer, streamOf, type Bus } from "@drawbridge/bus";
import type { Clock, Component } from "@drawbridge/lifecycle";
import type { ConfirmFabricDeletion } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { FabricFacts } from "../store/fabric-facts.ts";

/** What activation learns from runtime-manager: which agents have arrived, and, once it confirms, which fabrics are gone. */
export function createFabricConsumer(deps: {
  readonly bus: Bus;
  readonly facts: FabricFacts;
  readonly confirmDeletion: ConfirmFabricDeletion;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { facts, clock } = deps;
  return createConsumer({
    bus: deps.bus,
    stream: streamOf("runtime.fabric.activated.v1"),
    durable: "activation",
    types: ["runtime.fabric.activated.v1", "runtime.fabric.deleted.v1"],
    clock,
    logger: deps.logger,
    handle: async ({ id, type, payload }, signal) => {
      const now = clock.now();
      if (type === "runtime.fabric.activated.v1") {
        await facts.tunnelOpened({ eventId: id, agentId: payload.agentId, now });
      } else if ((await deps.confirmDeletion({ id, fabricId: payload.fabricId }, signal)) === "confirmed") {
        await facts.fabricDeleted({ eventId: id, fabricId: payload.fabricId, now });
      }
    },
  });
}
