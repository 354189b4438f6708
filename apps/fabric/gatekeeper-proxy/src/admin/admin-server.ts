import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ListenAddress } from "@drawbridge/config";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, Component, Health } from "@drawbridge/lifecycle";
import { createHttpServer, registerProbes } from "@drawbridge/rpc";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
import type { AnalyticsView } from "../analytics/open-analytics.ts";
import { writeWhole } from "@drawbridge/durable-files";
import type { InsightView } from "../insight/open-insight.ts";
import type { PeerView } from "../peers/counter-exchange.ts";
import type { GateView } from "./gate-view.ts";

/** What the gateway says of itself. */
export interface GatewayView {
  readonly gatewayId: string;
  readonly link: { readonly state: string; readonly since: string; readonly reason: string };
  /** The configuration that is followed; `undefined`: none yet. */
  readonly configuration:
    | { readonly digest: string; readonly revision: number; readonly issuedAt: string; readonly isConfirmed: boolean }
    | undefined;
  readonly workers: number;
  /** Other gateways with which limits are shared, or were since the start. */
  readonly peers: readonly PeerView[];
  /** "ok": a restart now would find what is wanted; "being written"; or why it cannot be. */
  readonly cache: string;
  /** Requests on their way to analytics-ingest. */
  readonly analytics: AnalyticsView;
  /** Captures of exchanges, and what they sent. */
  readonly insight: InsightView;
  readonly gates: readonly GateView[];
}

interface AdminServerOptions {
  readonly listen: ListenAddress;
  /** `admin.json` (where it listens) and `admin-token` (for what changes something) are written there. */
  readonly directory: string;
  readonly view: (app?: string) => GatewayView;
  readonly drain: () => void;
  readonly health: Health;
  readonly telemetry: Pick<Telemetry, "metricsText">;
  readonly clock: Clock;
  readonly logger: Logger;
}

const retryMs = 10_000;

/** Name of the file that says where the admin listener is. */
export const adminFile = "admin.json";
const tokenFile = "admin-token";

/** For people and probes on this machine: loopback, reading for everybody there, writing with the token of the file. */
export function createAdminServer(options: AdminServerOptions): Component {
  const { directory, view, clock, logger } = options;
  const token = randomBytes(32).toString("base64url");
  const server = createHttpServer({
    name: "admin",
    listen: options.listen,
    identity: undefined,
    clientCertificate: "none",
    allow: ["anyone"],
    logger: options.logger.child({}, { level: "warn" }), // probes come every few seconds
    register: (app) => {
      registerProbes(app, options);
      app.get("/gatekeeper", () => view());
      app.get<{ Params: { app: string } }>("/gatekeeper/:app", ({ params }) => {
        const shown = view(params.app);
        if (shown.gates.length === 0) throw noGates(params.app);
        return shown;
      });
      app.post("/drain", (request, reply) => {
        assertToken(request.headers.authorization, token);
        options.drain();
        return reply.code(202).send({ status: "draining" });
      });
    },
  });
  const stopping = new AbortController();
  let announcing = Promise.resolve();

  async function announce(): Promise<boolean> {
    const { host, port } = server.address();
    try {
      await writeWhole(join(directory, tokenFile), `${token}\n`);
      await writeWhole(join(directory, adminFile), `${JSON.stringify({ host, port, pid: process.pid })}\n`);
      return true;
    } catch (error) {
      logger.error({ err: error }, "the admin listener cannot say where it is");
      return false;
    }
  }

  async function announceLater(): Promise<void> {
    do
      await clock.sleep(retryMs, stopping.signal).catch(() => undefined); // stopped
    while (!stopping.signal.aborted && !(await announce()));
  }

  return {
    name: "admin",
    start: async (signal) => {
      await server.start(signal);
      // A disk that is full keeps no gateway from its work.
      if (!(await announce())) announcing = announceLater();
    },
    stop: async (deadline) => {
      stopping.abort();
      await announcing;
      await rm(join(directory, adminFile), { force: true });
      await server.stop(deadline);
    },
  };
}

function assertToken(authorization: string | undefined, token: string): void {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  if (timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${token}`))) return;
  throw new DrawbridgeError({
    kind: "unauthenticated",
    code: "ADMIN_TOKEN_INVALID",
    message: `this needs "authorization: Bearer <text of the file ${tokenFile} in the gateway's folder>"`,
  });
}

function noGates(app: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "APP_HAS_NO_GATES",
    message: `no app with the name or id ${JSON.stringify(app.slice(0, 100))} has gates in this gateway`,
  });
}
