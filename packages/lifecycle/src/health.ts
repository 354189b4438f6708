/** `undefined` when fine, otherwise what is missing, in words for the person on call. */
export type HealthCheck = () => string | undefined;

export interface HealthReport {
  readonly ready: boolean;
  /** Every check by name: "ok" or what is missing. */
  readonly checks: Readonly<Record<string, string>>;
  /** Checks that fail while work goes on; left away when there are none. */
  readonly degraded?: readonly string[];
}

/** What `/readyz` says. */
export interface Health {
  /**
   * Add a check under a name. `impact` says what its failure means: nothing works without it ("unready", the default), or
   * work goes on with less ("degraded"), so that no balancer may take the process out for it.
   */
  register(name: string, check: HealthCheck, impact?: "unready" | "degraded"): void;
  /** From now on not ready, whatever the checks say. */
  beginShutdown(): void;
  report(): HealthReport;
}

export function createHealth(): Health {
  const checks = new Map<string, { readonly check: HealthCheck; readonly impact: "unready" | "degraded" }>();
  let isShuttingDown = false;
  return {
    register: (name, check, impact = "unready") => void checks.set(name, { check, impact }),
    beginShutdown: () => {
      isShuttingDown = true;
    },
    report: () => {
      const results = [...checks].map(([name, { check, impact }]) => ({ name, impact, said: check() ?? "ok" }));
      if (isShuttingDown) results.push({ name: "shutdown", impact: "unready", said: "shutting down" });
      const failing = results.filter(({ said }) => said !== "ok");
      const degraded = failing.flatMap(({ name, impact }) => (impact === "degraded" ? [name] : []));
      return {
        ready: failing.length === degraded.length,
        checks: Object.fromEntries(results.map(({ name, said }) => [name, said])),
        ...(degraded.length === 0 ? {} : { degraded }),
      };
    },
  };
}
