import type { Health, HealthCheck } from "@drawbridge/lifecycle";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
import { createHttpServer, type HttpServer, type HttpServerOptions } from "./http-server.ts";
import type { ListenAddress } from "./listener.ts";

export interface OpsServerOptions {
  readonly listen: ListenAddress;
  readonly health: Health;
  readonly telemetry: Pick<Telemetry, "metricsText" | "metrics">;
  readonly logger: Logger;
}

/**
 * /livez: the event loop answers. /readyz: every check by name, 503 if one fails that nothing works without. /metrics:
 * Prometheus text, with `health_check` 1 or 0 for each check. Plain HTTP: bind it to loopback or a private address. Start it first and stop it last, so that it can say what is missing.
 */
export function createOpsServer(options: OpsServerOptions): HttpServer {
  options.telemetry.metrics.gauge("health_check", { description: "1 when the check of /readyz says ok, else 0" }, () =>
    Object.entries(options.health.report().checks).map(([check, said]) => [said === "ok" ? 1 : 0, { check }]),
  );
  return createHttpServer({
    name: "ops",
    listen: options.listen,
    identity: undefined,
    clientCertificate: "none",
    allow: ["anyone"],
    logger: options.logger.child({}, { level: "warn" }), // probes come every few seconds
    register: (app) => registerProbes(app, options),
  });
}

/** /livez, /readyz and /metrics, for a server that answers more than these. */
export function registerProbes(
  app: Parameters<HttpServerOptions["register"]>[0],
  options: { readonly health: Health; readonly telemetry: Pick<Telemetry, "metricsText"> },
): void {
  app.get("/livez", () => ({ status: "ok" }));
  app.get("/readyz", (_request, reply) => {
    const report = options.health.report();
    return reply.code(report.ready ? 200 : 503).send(report);
  });
  app.get("/metrics", async (_request, reply) => {
    const text = await options.telemetry.metricsText();
    return reply.type("text/plain; version=0.0.4; charset=utf-8").send(text);
  });
}

/** For `Health`: fails until all of these listen. `address` throws before that. */
export function listening(...servers: readonly { address(): ListenAddress }[]): HealthCheck {
  return () => {
    try {
      for (const server of servers) server.address();
      return undefined;
    } catch {
      return "does not listen yet";
    }
  };
}
