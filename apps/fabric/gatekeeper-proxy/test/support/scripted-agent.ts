import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import {
  GatewayServiceService,
  type ConnectRequest,
  type ConnectResponse,
  type GateReport,
  type GetAnalyticsAccessResponse,
  type Hello,
  type ReportInsightRequest,
} from "@drawbridge/contracts/gateway/v1/gateway_service";
import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import { DrawbridgeError } from "@drawbridge/errors";
import type { TrustBundle } from "@drawbridge/pki";
import { createUnixGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";
import type { SignedTree } from "./api-tree.ts";

export interface ScriptedAgent extends AsyncDisposable {
  /** The control plane is connected and announces this tree; its root and objects can be had. */
  announce(tree: SignedTree, options?: { readonly withoutObjects?: readonly string[] }): void;
  linkDown(reason?: string): void;
  /** Connected again: a new session, which announces what was announced before. */
  linkUp(): void;
  /** As if the process were killed: the stream breaks, the socket is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  readonly hellos: readonly Hello[];
  readonly reports: readonly GateReport[];
  /** Observed routes, in the order of their reports. */
  readonly routeReports: readonly ApiRoutes[];
  /** Digests that were asked for. */
  readonly asked: readonly string[];
  /** What gateways get who ask for access to analytics-ingest; undefined: ANALYTICS_NOT_OFFERED. */
  analyticsAccess: (Omit<GetAnalyticsAccessResponse, "proxy"> & Partial<GetAnalyticsAccessResponse>) | undefined;
  /** Requests for it: SHA-256 of the token that was refused, in hex; empty where none was. */
  readonly analyticsRequests: readonly string[];
  /** What the gateway says it sent of captured exchanges. */
  readonly insightReports: readonly ReportInsightRequest[];
  /** Gates as reported last, by API name. */
  gates(): ReadonlyMap<string, GateStatus>;
}

/** A real gRPC server on a real Unix socket that says what the test wants. */
export async function startScriptedAgent(options: {
  readonly socketPath: string;
  readonly trustBundle: TrustBundle;
}): Promise<ScriptedAgent> {
  const { logger } = createTestLogger();
  const hellos: Hello[] = [];
  const reports: GateReport[] = [];
  const routeReports: ApiRoutes[] = [];
  const asked: string[] = [];
  const analyticsRequests: string[] = [];
  const insightReports: ReportInsightRequest[] = [];
  const streams = new Set<(response: ConnectResponse) => void>();
  const known = new Map<string, GateStatus[]>();
  let tree: SignedTree | undefined;
  let withheld = new Set<string>();
  let isUp = false;
  let reason = "CONNECTING";
  let since = new Date();
  let session = 0;

  const frames = (): ConnectResponse[] => {
    const { sequence, trustDomain, rootsDer } = options.trustBundle;
    const roots = rootsDer.map((der) => Buffer.from(der));
    const announcedDigest = isUp ? (tree?.digest ?? "") : "";
    const link = { isUp, since, reason: isUp ? "" : reason, announcedDigest };
    return [
      { frame: { $case: "trustBundle", value: { sequence, trustDomain, rootsDer: roots } } },
      { frame: { $case: "link", value: link } },
      ...(tree === undefined
        ? []
        : [{ frame: { $case: "configuration" as const, value: { rootDigest: tree.digest, rootJws: tree.jws } } }]),
    ];
  };
  const sayAll = (): void => {
    for (const say of streams) for (const frame of frames()) say(frame);
  };
  const newSession = (up: boolean): void => {
    session += 1;
    isUp = up;
    since = new Date(Date.now() + session); // sessions are told apart by their beginning
  };

  function read(request: ConnectRequest): void {
    if (request.frame?.$case === "hello") hellos.push(request.frame.value);
    if (request.frame?.$case !== "gateReport") return;
    const report = request.frame.value;
    reports.push(report);
    if (report.complete) known.clear();
    for (const { appId, gates } of report.apps) known.set(appId, gates);
  }

  const open = () =>
    createUnixGrpcServer({
      name: "scripted-agent",
      path: options.socketPath,
      logger,
      maxMessageBytes: 16 * 1024 * 1024,
      services: [
        defineGrpcService(GatewayServiceService, {
          allow: {
            connect: ["anyone"],
            getObjects: ["anyone"],
            reportRoutes: ["anyone"],
            getAnalyticsAccess: ["anyone"],
            reportInsight: ["anyone"],
          },
          handlers: {
            connect: async (call, { signal }) => {
              const say = (response: ConnectResponse): void => void call.write(response);
              streams.add(say);
              for (const frame of frames()) say(frame);
              call.on("data", read);
              await new Promise<void>((resolve) => {
                signal.addEventListener("abort", () => resolve(), { once: true });
                call.on("end", () => resolve());
              });
              streams.delete(say);
            },
            reportRoutes: ({ apis }) => {
              if (!isUp) throw error("unavailable", "TUNNEL_DOWN");
              routeReports.push(...apis);
              return Promise.resolve({});
            },
            getObjects: ({ digests }) => {
              const names = digests.map((digest) => digest.toString("hex"));
              asked.push(...names);
              if (!isUp) throw error("unavailable", "TUNNEL_DOWN");
              const objects: Buffer[] = [];
              for (const name of names) {
                const bytes = withheld.has(name) ? undefined : tree?.objects.get(name);
                if (bytes === undefined) throw error("not_found", "API_OBJECT_UNKNOWN");
                objects.push(Buffer.from(bytes));
              }
              return Promise.resolve({ objects });
            },
            reportInsight: (report) => {
              insightReports.push(report);
              return Promise.resolve({});
            },
            getAnalyticsAccess: ({ refusedTokenSha256 }) => {
              analyticsRequests.push(refusedTokenSha256.toString("hex"));
              if (!isUp) throw error("unavailable", "TUNNEL_DOWN");
              const { analyticsAccess } = agent;
              if (!analyticsAccess) throw error("failed_precondition", "ANALYTICS_NOT_OFFERED");
              return Promise.resolve({ proxy: undefined, ...analyticsAccess });
            },
          },
        }),
      ],
    });

  let server = open();
  await server.start(new AbortController().signal);
  let isRunning = true;
  const kill = async (): Promise<void> => {
    if (!isRunning) return;
    isRunning = false;
    streams.clear();
    await server.stop(AbortSignal.abort());
  };
  const agent: ScriptedAgent = {
    announce: (next, { withoutObjects = [] } = {}) => {
      tree = next;
      withheld = new Set(withoutObjects);
      if (!isUp) newSession(true);
      sayAll();
    },
    linkDown: (why = "TUNNEL_DOWN") => {
      newSession(false);
      reason = why;
      sayAll();
    },
    linkUp: () => {
      newSession(true);
      sayAll();
    },
    kill,
    start: async () => {
      server = open();
      await server.start(new AbortController().signal);
      isRunning = true;
    },
    hellos,
    reports,
    routeReports,
    asked,
    analyticsAccess: undefined,
    analyticsRequests,
    insightReports,
    gates: () => new Map([...known.values()].flat().map((gate) => [gate.apiName, gate])),
    [Symbol.asyncDispose]: kill,
  };
  return agent;
}

function error(kind: "unavailable" | "not_found" | "failed_precondition", code: string): DrawbridgeError {
  return new DrawbridgeError({ kind, code, message: code });
}
