import { enqueueEvent, type InTransaction } from "@drawbridge/store";
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

/** Announce that the phase of an app changed, as its agent sees it. */
export async function announceObserved(
  tx: InTransaction,
  observed: {
    readonly fabricId: string;
    readonly appName: string;
    readonly environment: string;
    readonly status: AppStatus;
    readonly at: Date;
  },
): Promise<void> {
  const { status } = observed;
  await enqueueEvent(tx, {
    type: "runtime.deployment.observed.v1",
    scope: observed.fabricId,
    occurredAt: observed.at,
    payload: {
      fabricId: observed.fabricId,
      appId: status.appId,
      appName: observed.appName,
      environment: observed.environment,
      phase: status.phase,
      servingRevision: status.servingRevision,
      reason: failureReason(status),
    },
  });
}
