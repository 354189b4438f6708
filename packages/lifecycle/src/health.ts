/** `undefined` when fine, otherwise what is missing, in words for the person on call. */
export type HealthCheck = () => string | undefined;

export interface HealthReport {
  readonly ready: boolean;
  /** Every check by name: "ok" or what is missing. */
  readonly checks: Readonly<Record<string, string>>;
}

/** What `/readyz` says. */
export interface Health {
  /** Add a check under a name. */
  register(name: string, check: HealthCheck): void;
  /** From now on not ready, whatever the checks say. */
  beginShutdown(): void;
  report(): HealthReport;
}

export function createHealth(): Health {
  const checks = new Map<string, HealthCheck>();
  let isShuttingDown = false;
  return {
    register: (name, check) => void checks.set(name, check),
    beginShutdown: () => {
      isShuttingDown = true;
    },
    report: () => {
      const results = Object.fromEntries([...checks].map(([name, check]) => [name, check() ?? "ok"]));
      if (isShuttingDown) results["shutdown"] = "shutting down";
      return { ready: Object.values(results).every((result) => result === "ok"), checks: results };
    },
  };
}
