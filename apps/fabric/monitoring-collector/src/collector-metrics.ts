import type { Metrics } from "@drawbridge/telemetry";
import type { CheckInResult, ConnectReason } from "./check-in/check-in-result.ts";
import type { ClockSkew } from "./clock/clock-skew.ts";
import type { CredentialWatch } from "./credentials/credential-watch.ts";

export interface CollectorMetrics {
  checkedIn(result: CheckInResult): void;
  connected(reason: ConnectReason): void;
}

export function createCollectorMetrics(
  metrics: Metrics,
  from: { readonly credentials: Pick<CredentialWatch, "current" | "problem">; readonly skew: ClockSkew },
): CollectorMetrics {
  const checkIns = metrics.counter("check_ins", { description: "check-ins by result" });
  const reconnects = metrics.counter("reconnects", { description: "connections opened, by reason" });
  metrics.gauge(
    "certificate_not_after_seconds",
    { description: "end of the monitoring certificate in use, in seconds since 1970" },
    () => {
      const current = from.credentials.current();
      return current === undefined ? [] : current.identity.notAfter.getTime() / 1_000;
    },
  );
  metrics.gauge(
    "credentials_unusable",
    { description: "1 while the certificate's files, as they are now, cannot be used" },
    () => (from.credentials.problem() === undefined ? 0 : 1),
  );
  metrics.gauge("clock_skew_seconds", { description: "this machine's clock minus the control plane's" }, () => {
    const measuredMs = from.skew.measuredMs();
    return measuredMs === undefined ? [] : measuredMs / 1_000;
  });
  return {
    checkedIn: (result) => checkIns.add(1, { result }),
    connected: (reason) => reconnects.add(1, { reason }),
  };
}
