import type { Clock } from "@drawbridge/lifecycle";

/** Something that needs attention, as the control plane and `status` show it. */
export interface Alert {
  /** CamelCase, stable. */
  readonly reason: AlertReason;
  /** One sentence. */
  readonly message: string;
  readonly since: Date;
}

export type AlertReason =
  | "ClockSkew"
  | "DiskFull"
  | "SnapshotRefused"
  | "TrustBundleRefused"
  | "CertificateExpiring"
  | "CertificateExpiryCritical"
  | "RenewalFailing"
  | "AgentLocked"
  | "AppsNotInSnapshot"
  | "ClusterUnavailable"
  | "ApiConfigurationRefused"
  | "GatewayFeedDown"
  | "GatewayDown";

/** The alerts that hold now: one per reason. */
export interface AlertBoard {
  raise(reason: AlertReason, message: string): void;
  clear(reason: AlertReason): void;
  list(): readonly Alert[];
}

export function createAlertBoard({ clock }: { readonly clock: Pick<Clock, "now"> }): AlertBoard {
  const alerts = new Map<AlertReason, Alert>();
  return {
    raise(reason, message) {
      alerts.set(reason, { reason, message, since: alerts.get(reason)?.since ?? clock.now() });
    },
    clear: (reason) => void alerts.delete(reason),
    list: () => [...alerts.values()],
  };
}
