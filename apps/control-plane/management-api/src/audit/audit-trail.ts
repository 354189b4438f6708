import { type Clock, type Component, createLoop, type IdSource } from "@drawbridge/lifecycle";
import type { Store } from "@drawbridge/store";
import type { Logger } from "@drawbridge/telemetry";
import type { AuditEntry } from "../domain/audit-record.ts";
import type { AuditIntent, AuditRepository } from "../store/audit-repository.ts";
import type { Database } from "../store/database.ts";
import { cleanEntry } from "../domain/clean-entry.ts";

export type AuditOutcome = Pick<AuditEntry, "result" | "statusCode" | "errorCode" | "details">;
export type AuditSubject = Pick<AuditEntry, "requestId" | "actor" | "address" | "action" | "target" | "details">;

/** A write under way: its subject is stored, its outcome is not known yet. */
export interface OpenIntent {
  readonly intentId: string;
  readonly subject: AuditSubject;
}

/**
 * Every write leaves one record, whatever dies: the intent is stored before the act (no intent, no act), and its outcome
 * is appended after it. If the process dies in between, the sweeper of any replica appends the result "unknown".
 */
export interface AuditTrail extends Component {
  begin(subject: AuditSubject): Promise<OpenIntent>;
  complete(intent: OpenIntent, outcome: AuditOutcome): Promise<void>;
  /** Append at once what needs no intent: refusals, and acts that are over. */
  record(entry: AuditSubject & AuditOutcome): Promise<void>;
}

/** Longer than any request but an upload on a slow line, whose record may then come twice: "unknown" and the outcome. */
const abandonedAfterMs = 15 * 60_000;
const sweepIntervalMs = 60_000;
const sweepBatch = 100;

export function createAuditTrail(deps: {
  readonly store: Pick<Store<Database>, "transaction">;
  readonly repository: AuditRepository;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
}): AuditTrail {
  const { store, repository, clock, ids, logger } = deps;

  const sweeper = createLoop({
    name: "audit trail",
    clock,
    intervalMs: sweepIntervalMs,
    pass: async () => {
      const before = new Date(clock.now().getTime() - abandonedAfterMs);
      const closed = await repository.closeAbandoned(before, sweepBatch, entryOfAbandoned);
      if (closed > 0) logger.warn({ records: closed }, "writes whose process died were recorded as unknown");
    },
    onError: (error) => logger.warn({ err: error }, "abandoned audit intents were not closed, will retry"),
  });

  return {
    ...sweeper,
    begin: async (subject) => {
      const intent: AuditIntent = { ...cleanEntry(subject), intentId: ids.next(), begunAt: clock.now() };
      await repository.insertIntent(intent);
      return { intentId: intent.intentId, subject };
    },
    complete: (intent, outcome) => {
      const details = { ...intent.subject.details, ...outcome.details };
      const entry = { ...intent.subject, ...outcome, details, occurredAt: clock.now() };
      return repository.completeIntent(intent.intentId, cleanEntry(entry));
    },
    record: async (entry) => {
      await store.transaction((tx) => repository.append(tx, cleanEntry({ ...entry, occurredAt: clock.now() })));
    },
  };
}

function entryOfAbandoned(intent: AuditIntent): AuditEntry {
  const { requestId, actor, address, action, target, details, begunAt } = intent;
  return {
    requestId,
    actor,
    address,
    action,
    target,
    details,
    occurredAt: begunAt,
    result: "unknown",
    statusCode: 0,
    errorCode: "",
  };
}
