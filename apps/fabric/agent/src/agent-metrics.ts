import { parseCertificate } from "@drawbridge/pki";
import type { Metrics } from "@drawbridge/telemetry";
import type { IdentityMeta } from "./identity/identity-meta.ts";
import type { DesiredSync } from "./desired/desired-sync.ts";
import type { ControlLoop } from "./control/control-loop.ts";

/** Figures of design R23 where they apply to an agent; the prefix `drawbridge_agent_` is the registry's. */
export function registerAgentMetrics(
  metrics: Metrics,
  sources: {
    readonly meta: () => IdentityMeta;
    /** Of the monitoring certificate; undefined where there is none. */
    readonly monitoringNotAfter: () => string | undefined;
    readonly rootsDer: () => readonly Uint8Array[];
    readonly trustBundleSequence: () => bigint;
    readonly desired: Pick<DesiredSync, "current" | "announced" | "acceptedAt">;
    readonly loop: Pick<ControlLoop, "report">;
    readonly skewMs: () => number | undefined;
    readonly now: () => Date;
  },
): void {
  metrics.gauge(
    "cert_not_after_seconds",
    { description: "end of a certificate's validity, Unix time; of the roots the one that ends last" },
    () => {
      const seconds = (at: string | Date): number => new Date(at).getTime() / 1_000;
      const monitoring = sources.monitoringNotAfter();
      const roots = sources.rootsDer().map((der) => seconds(parseCertificate(der).validToDate));
      return [
        [seconds(sources.meta().notAfter), { component: "agent" }],
        ...(monitoring === undefined ? [] : [[seconds(monitoring), { component: "monitoring" }] as const]),
        ...(roots.length === 0 ? [] : [[Math.max(...roots), { component: "trust-root" }] as const]),
      ];
    },
  );
  metrics.gauge("bundle_sequence", { description: "sequence of the trust bundle" }, () =>
    Number(sources.trustBundleSequence()),
  );
  metrics.gauge("generation", { description: "generation that is wanted, and that the agent works from" }, () => {
    const observed = sources.desired.current()?.generation;
    return [
      [Number(sources.desired.announced() ?? observed ?? 0n), { kind: "desired" }],
      [Number(observed ?? 0n), { kind: "observed" }],
    ];
  });
  metrics.gauge("config_age_seconds", { description: "time since the snapshot was taken over" }, () => {
    const acceptedAt = sources.desired.acceptedAt();
    return acceptedAt === undefined ? [] : (sources.now().getTime() - acceptedAt.getTime()) / 1_000;
  });
  metrics.gauge("clock_skew_seconds", { description: "this machine's clock minus the control plane's" }, () => {
    const skewMs = sources.skewMs();
    return skewMs === undefined ? [] : skewMs / 1_000;
  });
  metrics.gauge("apps", { description: "apps by phase" }, () => {
    const counts = new Map<string, number>();
    for (const { phase } of sources.loop.report()?.apps ?? []) counts.set(phase, (counts.get(phase) ?? 0) + 1);
    return [...counts].map(([phase, count]) => [count, { phase }] as const);
  });
}
