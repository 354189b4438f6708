import type { Alert } from "../alerts/alert-board.ts";
import type { FabricService } from "../fabric-service.ts";
import type { AppReport } from "../report/app-report.ts";
import type { RunStatus } from "../state/run-status.ts";
import { viewOfTunnel } from "../tunnel/tunnel-view.ts";

export interface RunStatusSources {
  readonly agentVersion: string;
  readonly startedAt: Date;
  readonly now: Date;
  readonly opsAddress: { readonly host: string; readonly port: number };
  readonly driver: string;
  readonly logsAllowed: boolean;
  readonly alerts: readonly Alert[];
  /** undefined before activation. */
  readonly fabric:
    | Pick<FabricService, "tunnel" | "desired" | "loop" | "skewMs" | "isClockSynced" | "renewal" | "credentials">
    | undefined;
}

/** What a running agent says of itself. */
export function readRunStatus(sources: RunStatusSources): RunStatus {
  const { fabric, opsAddress } = sources;
  const desired = fabric?.desired.current();
  const skewMs = fabric?.skewMs();
  const wishes = new Map(desired?.apps.map((wish) => [wish.appId, wish]) ?? []);
  return {
    schemaVersion: 1,
    pid: process.pid,
    agentVersion: sources.agentVersion,
    startedAt: sources.startedAt.toISOString(),
    updatedAt: sources.now.toISOString(),
    opsAddress: `${opsAddress.host}:${opsAddress.port}`,
    driver: sources.driver,
    logsAllowed: sources.logsAllowed,
    tunnel: fabric
      ? viewOfTunnel(fabric.tunnel.state())
      : { status: "not-activated", since: sources.startedAt.toISOString() },
    generation: {
      desired: (fabric?.desired.announced() ?? desired?.generation ?? 0n).toString(),
      observed: (desired?.generation ?? 0n).toString(),
      digest: desired?.digest ?? "",
    },
    ...(skewMs === undefined ? {} : { clockSkewMs: skewMs }),
    clockSynced: fabric?.isClockSynced() ?? true,
    trustBundleSequence: fabric?.credentials.trustBundle().sequence.toString() ?? "",
    certificates: (fabric?.renewal.held() ?? []).map(({ purpose, meta, renewAt, lastFailure }) => ({
      purpose,
      serialNumber: meta.serialNumber,
      notAfter: meta.notAfter,
      renewAt: renewAt.toISOString(),
      lastFailure,
    })),
    alerts: sources.alerts.map(({ reason, message, since }) => ({ reason, message, since: since.toISOString() })),
    apps: (fabric?.loop.report()?.apps ?? []).map((app) => {
      const wish = wishes.get(app.appId);
      return {
        appId: app.appId,
        name: app.name,
        environment: wish?.environment ?? "",
        version: wish?.version ?? "",
        phase: app.phase,
        revision: (wish?.revision ?? 0n).toString(),
        servingRevision: app.servingRevision.toString(),
        readyReplicas: app.readyReplicas,
        replicas: wish?.desiredState === "stopped" ? 0 : (wish?.replicas ?? 0),
        restarts: app.replicas.reduce((sum, { restarts }) => sum + restarts, 0),
        endpoints: [...app.endpoints],
        message: messageOf(app),
      };
    }),
  };
}

/** What there is to know about an app that is not simply running. */
function messageOf(app: AppReport): string {
  if (app.phase === "running" || app.phase === "stopped") return "";
  const find = (type: string): string | undefined =>
    app.conditions.find((condition) => condition.type === type && condition.status === "True")?.message;
  return find("Failed") ?? find("Progressing") ?? app.conditions.find(({ type }) => type === "Ready")?.message ?? "";
}
