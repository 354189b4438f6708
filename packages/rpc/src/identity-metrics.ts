import type { IdentityHolder } from "@drawbridge/pki";
import type { Metrics } from "@drawbridge/telemetry";

/** Gauge `certificate_not_after_seconds`: when the certificate that this process shows runs out, in Unix time. */
export function observeIdentity(
  metrics: Pick<Metrics, "gauge">,
  holder: Pick<IdentityHolder, "isLoaded" | "get">,
): void {
  metrics.gauge(
    "certificate_not_after_seconds",
    { description: "end of the service's own certificate, Unix time", unit: "s" },
    () => (holder.isLoaded ? [[holder.get().notAfter.getTime() / 1000, {}]] : []),
  );
}
