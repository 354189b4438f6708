import type { Health } from "@drawbridge/lifecycle";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
import { createHttpServer, type HttpServer } from "./http-server.ts";
import type { ListenAddress } from "./listener.ts";

export interface OpsServerOptions {
  readonly listen: ListenAddress;
  readonly health: Health;
  readonly telemetry: Pick<Telemetry, "metricsText">;
  readonly logger: Logger;
}

/**
 * /livez: the event loop answers. /readyz: every check by name, 503 if one fails. /metrics: Prometheus text. Plain HTTP:
 * bind it to loopback or a private address. Start it first and stop it last, so that it can say what is missing.
 */
export function createOpsServer(options: OpsServerOptions): HttpServer {
  return createHttpServer({
    name: "ops",
    listen: options.listen,
    identity: undefined,
    clientCertificate: "none",
    allow: ["anyone"],
    logger: options.logger.child({}, { level: "warn" }), // probes come every few seconds
    register: (app) => {
      app.get("/livez", () => ({ status: "ok" }));
      app.get("/readyz", (_request, reply) => {
        const report = options.health.report();
        return reply.code(report.ready ? 200 : 503).send(report);
      });
      app.get("/metrics", async (_request, reply) => {
        const text = await options.telemetry.metricsText();
        return reply.type("text/plain; version=0.0.4; charset=utf-8").send(text);
      });
    },
  });
}
