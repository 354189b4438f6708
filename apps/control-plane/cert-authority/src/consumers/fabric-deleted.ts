import { createConsumer, type Bus } from "@drawbridge/bus";
import type { Clock, Component } from "@drawbridge/lifecycle";
import { consumeOnce, type Store } from "@drawbridge/store";
import type { Logger } from "@drawbridge/telemetry";
import type { CertificateRepository } from "../store/certificate-repository.ts";
import type { CertAuthorityDb } from "../store/schema.ts";

export interface FabricDeletedDeps {
  readonly bus: Bus;
  readonly store: Pick<Store<CertAuthorityDb>, "transaction">;
  readonly certificates: Pick<CertificateRepository, "revokeIn">;
  readonly logger: Logger;
  readonly clock: Clock;
}

const durable = "cert-authority";

/** A fabric that was deleted has no identity left: all its certificates are revoked. */
export function createFabricDeletedConsumer({ bus, store, certificates, logger, clock }: FabricDeletedDeps): Component {
  return createConsumer({
    bus,
    stream: "RUNTIME",
    durable,
    types: ["runtime.fabric.deleted.v1"],
    logger,
    clock,
    handle: (event) =>
      store.transaction(async (tx) => {
        if ((await consumeOnce(tx, { consumer: durable, eventId: event.id })) === "duplicate") return;
        await certificates.revokeIn(tx, {
          target: { kind: "fabric", fabricId: event.payload.fabricId },
          reason: "the fabric was deleted",
          revokedBy: `event ${event.id}`,
          now: clock.now(),
        });
      }),
  });
}
