import { eventCodecs, type EventPayload, type EventType } from "@drawbridge/contracts";
import { DrawbridgeError } from "@drawbridge/errors";
import { uuidV7Ids, type IdSource } from "@drawbridge/lifecycle";
import { currentTraceparent } from "@drawbridge/telemetry";
import { sql, type QueryExecutorProvider } from "kysely";
import { rememberEnqueued } from "./enqueued.ts";

/** A Kysely transaction of any database: the type system keeps events out of plain connections. */
export interface InTransaction extends QueryExecutorProvider {
  readonly isTransaction: true;
}

export interface NewEvent<T extends EventType = EventType> {
  readonly type: T;
  /** Fabric id, or "control-plane" or "unknown" where there is none: the last token of the subject. */
  readonly scope: string;
  readonly occurredAt: Date;
  readonly payload: EventPayload<T>;
}

/** Half of what one message may be (1 MiB), so that headers and growth of the JSON never matter. */
export const maxPayloadBytes = 524_288;

/**
 * Announce a fact with the transaction that makes it true: published after the commit, never without it. The active
 * trace is kept with it. Returns the id of the event.
 * @throws DrawbridgeError `EVENT_SCOPE_INVALID` | `EVENT_TOO_LARGE` (invalid_argument)
 */
export async function enqueueEvent<T extends EventType>(
  tx: InTransaction,
  event: NewEvent<T>,
  ids: IdSource = uuidV7Ids,
): Promise<string> {
  assertScope(event.scope);
  const payload = payloadToJson(event.type, event.payload);
  const id = ids.next();
  await sql`
    INSERT INTO outbox (id, type, scope, occurred_at, traceparent, payload)
    VALUES (${id}, ${event.type}, ${event.scope}, ${event.occurredAt}, ${currentTraceparent()}, ${payload})
  `.execute(tx);
  rememberEnqueued(tx);
  return id;
}

/**
 * `enqueueEvent` for many events in one statement: for writers that commit in groups. Order and ids as given.
 * @throws DrawbridgeError `EVENT_SCOPE_INVALID` | `EVENT_TOO_LARGE` (invalid_argument)
 */
export async function enqueueEvents<T extends EventType>(
  tx: InTransaction,
  events: readonly (NewEvent<T> & {
    /** Of the work that made the fact true; default the active trace. */
    readonly traceparent?: string;
  })[],
  ids: IdSource = uuidV7Ids,
): Promise<void> {
  if (events.length === 0) return;
  for (const event of events) assertScope(event.scope);
  const active = currentTraceparent();
  await sql`
    INSERT INTO outbox (id, type, scope, occurred_at, traceparent, payload)
    SELECT * FROM unnest(
      ${events.map(() => ids.next())}::uuid[],
      ${events.map((event) => event.type)}::text[],
      ${events.map((event) => event.scope)}::text[],
      ${events.map((event) => event.occurredAt)}::timestamptz[],
      ${events.map((event) => event.traceparent ?? active)}::text[],
      ${events.map((event) => payloadToJson(event.type, event.payload))}::text[]
    )
  `.execute(tx);
  rememberEnqueued(tx);
}

function payloadToJson<T extends EventType>(type: T, payload: EventPayload<T>): string {
  // One codec per type: the lookup by T cannot be followed by the compiler, the map's type guarantees the pair.
  const codec = eventCodecs[type] as { toJSON(message: EventPayload<T>): unknown };
  const json = JSON.stringify(codec.toJSON(payload));
  if (Buffer.byteLength(json) <= maxPayloadBytes) return json;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "EVENT_TOO_LARGE",
    message: `an event ${type} of ${Buffer.byteLength(json)} bytes is larger than ${maxPayloadBytes}`,
  });
}

/** One token of a NATS subject. */
function assertScope(scope: string): void {
  if (/^[A-Za-z0-9_-]{1,100}$/.test(scope)) return;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "EVENT_SCOPE_INVALID",
    message: "the scope of an event must be 1 to 100 letters, digits, - or _",
  });
}
