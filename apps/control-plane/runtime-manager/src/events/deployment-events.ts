import { enqueueEvents, type InTransaction } from "@drawbridge/store";
import type { AppRecord } from "../domain/app.ts";
import { failureReason, type AppStatus } from "../domain/app-status.ts";
import type { ChangeAction } from "../domain/plan-change.ts";

export interface DesiredChange {
  readonly app: AppRecord;
  readonly action: ChangeAction;
  /** The fabric's. */
  readonly generation: bigint;
  readonly requestedBy: string;
  readonly at: Date;
  /** Of the command. */
  readonly traceparent: string;
}

/** Announce that operators changed what apps should be. */
export async function announceDesired(tx: InTransaction, changes: readonly DesiredChange[]): Promise<void> {
  await enqueueEvents(
    tx,
    changes.map(({ app, action, generation, requestedBy, at, traceparent }) => ({
      type: "runtime.deployment.desired.v1",
      scope: app.fabricId,
      occurredAt: at,
      traceparent,
      payload: {
        fabricId: app.fabricId,
        appId: app.spec.appId,
        appName: app.spec.name,
        environment: app.spec.environment,
        generation,
        revision: app.spec.revision,
        action,
        requestedBy,
      },
    })),
  );
}

/** The phase of an app, new to us. */
export interface ObservedChange {
  readonly fabricId: string;
  readonly at: Date;
  readonly appName: string;
  readonly environment: string;
  readonly status: AppStatus;
}

/** Announce that the phases of apps changed, as their agents see them. */
export async function announceObserved(tx: InTransaction, changes: readonly ObservedChange[]): Promise<void> {
  await enqueueEvents(
    tx,
    changes.map(({ fabricId, at, appName, environment, status }) => ({
      type: "runtime.deployment.observed.v1",
      scope: fabricId,
      occurredAt: at,
      payload: {
        fabricId,
        appId: status.appId,
        appName,
        environment,
        phase: status.phase,
        servingRevision: status.servingRevision,
        reason: failureReason(status),
      },
    })),
  );
}
