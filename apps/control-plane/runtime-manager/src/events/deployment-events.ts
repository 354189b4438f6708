import { enqueueEvent, enqueueEvents, type InTransaction } from "@drawbridge/store";
import type { AppRecord } from "../domain/app.ts";
import { failureReason, type AppStatus } from "../domain/app-status.ts";
import type { ChangeAction } from "../domain/plan-change.ts";

/** Announce that an operator changed what an app should be. */
export async function announceDesired(
  tx: InTransaction,
  change: {
    readonly app: AppRecord;
    readonly action: ChangeAction;
    /** The fabric's. */
    readonly generation: bigint;
    readonly requestedBy: string;
    readonly at: Date;
  },
): Promise<void> {
  const { app } = change;
  await enqueueEvent(tx, {
    type: "runtime.deployment.desired.v1",
    scope: app.fabricId,
    occurredAt: change.at,
    payload: {
      fabricId: app.fabricId,
      appId: app.spec.appId,
      appName: app.spec.name,
      environment: app.spec.environment,
      generation: change.generation,
      revision: app.spec.revision,
      action: change.action,
      requestedBy: change.requestedBy,
    },
  });
}

/** Announce that the phases of apps changed, as their agent sees them. */
export async function announceObserved(
  tx: InTransaction,
  observed: {
    readonly fabricId: string;
    readonly at: Date;
    readonly changes: readonly {
      readonly appName: string;
      readonly environment: string;
      readonly status: AppStatus;
    }[];
  },
): Promise<void> {
  const { fabricId } = observed;
  await enqueueEvents(
    tx,
    observed.changes.map(({ appName, environment, status }) => ({
      type: "runtime.deployment.observed.v1",
      scope: fabricId,
      occurredAt: observed.at,
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
