export type { Kysely, Transaction } from "kysely";
export { sql } from "kysely";
export { openStore, type OpenStoreOptions, type Store, type StoreUrl } from "./open-store.ts";
export { type StoreLogger } from "./store-logger.ts";
export { runMigrations, type RunMigrationsOptions } from "./migrations/run-migrations.ts";
export {
  enqueueEvent,
  enqueueEvents,
  maxPayloadBytes,
  type InTransaction,
  type NewEvent,
} from "./outbox/enqueue-event.ts";
export { createOutboxRelay, type OutboxRelay, type OutboxRelayOptions } from "./outbox/create-outbox-relay.ts";
export { createOutboxMetrics, type OutboxGauges } from "./outbox/outbox-metrics.ts";
export { type OutboxEvent, type PublishOutboxEvent } from "./outbox/relay-batch.ts";
export { outboxMigrationSql } from "./outbox/outbox-sql.ts";
export { consumeOnce, createInboxCleaner } from "./inbox/consume-once.ts";
export { inboxMigrationSql } from "./inbox/inbox-sql.ts";
