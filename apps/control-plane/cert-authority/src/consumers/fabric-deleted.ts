import { createConsumer, type Bus } from "@drawbridge/bus";
import type { Clock, Component } from "@drawbridge/lifecycle";
import type { ConfirmFabricDeletion } from "@drawbridge/rpc";
import { consumeOnce, type Store } from "@drawbridge/store";
import type { Logger } from "@drawbridge/telemetry";
import { fabricDeletedReason } from "../domain/revocation.ts";
import type { RevocationRepository } from "../store/revocation-repository.ts";
import type { CertAuthorityDb } from "../store/schema.ts";

export interface FabricDeletedDeps {
  readonly bus: Bus;
  readonly store: Pick<Store<CertAuthorityDb>, "transaction">;
  readonly revocations: Pick<RevocationRepository, "revokeIn" | "tell">;
  readonly confirmDeletion: ConfirmFabricDeletion;
  readonly logger: Logger;
  readonly clock: Clock;
}

const durable = "cert-authority";

/** A fabric that was deleted, its owner confirms, has no identity left: all its certificates are revoked. */
export function createFabricDeletedConsumer(deps: FabricDeletedDeps): Component {
  const { bus, store, revocations, logger, clock } = deps;
  return createConsumer({
    bus,
    stream: "RUNTIME",
    durable,
    types: ["runtime.fabric.deleted.v1"],
    logger,
    clock,
    handle: async (event, signal) => {
      const { fabricId } = event.payload;
      if ((await deps.confirmDeletion({ id: event.id, fabricId }, signal)) === "refuted") return;
      await store.transaction(async (tx) => {
        if ((await consumeOnce(tx, { consumer: durable, eventId: event.id })) === "duplicate") return;
        await revocations.revokeIn(tx, {
          target: { kind: "fabric", fabricId },
          reason: fabricDeletedReason,
          revokedBy: `event ${event.id}`,
          now: clock.now(),
        });
      });
      revocations.tell();
    },
  });
}
