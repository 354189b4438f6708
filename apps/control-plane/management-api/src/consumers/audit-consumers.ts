import { type Bus, createConsumer } from "@drawbridge/bus";
import type { Clock, Component } from "@drawbridge/lifecycle";
import { consumeOnce, type Store } from "@drawbridge/store";
import type { Logger } from "@drawbridge/telemetry";
import { cleanEntry } from "../domain/clean-entry.ts";
import type { AuditRepository } from "../store/audit-repository.ts";
import type { Database } from "../store/database.ts";
import { type AuditedEvent, auditedEvents, type AuditedStream, eventToEntry, isWorthARecord } from "./event-record.ts";

const durable = "management-api";

interface RecorderDeps {
  readonly store: Pick<Store<Database>, "transaction">;
  readonly audit: Pick<AuditRepository, "append">;
}

/** Turn an event into an audit record, exactly once however often it comes: the inbox is in the record's transaction. */
export function createEventRecorder({ store, audit }: RecorderDeps): (event: AuditedEvent) => Promise<void> {
  return async (event) => {
    if (!isWorthARecord(event)) return;
    await store.transaction(async (tx) => {
      if ((await consumeOnce(tx, { consumer: durable, eventId: event.id })) === "duplicate") return;
      await audit.append(tx, cleanEntry(eventToEntry(event)));
    });
  };
}

/** Facts of other services become audit records. */
export function createAuditConsumers(
  deps: RecorderDeps & { readonly bus: Bus; readonly clock: Clock; readonly logger: Logger },
): readonly Component[] {
  const { bus, clock, logger } = deps;
  const record = createEventRecorder(deps);

  // The keys of the object are exactly the streams.
  return (Object.keys(auditedEvents) as AuditedStream[]).map((stream) =>
    createConsumer({
      bus,
      stream,
      durable,
      types: auditedEvents[stream],
      // The consumer hands out only events of `types`, whose union is AuditedEvent.
      handle: (event) => record(event as AuditedEvent),
      clock,
      logger,
      // Every record waits for the lock on the chain: more at once would only hold connections.
      maxInFlight: 2,
    }),
  );
}
