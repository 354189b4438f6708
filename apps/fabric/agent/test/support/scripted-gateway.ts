import { existsSync } from "node:fs";
import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import {
  AccessPurpose,
  GatewayServiceClient,
  type ConnectRequest,
  type ConnectResponse,
  type GetAnalyticsAccessResponse,
  type GateReport,
  type ReportInsightRequest,
} from "@drawbridge/contracts/gateway/v1/gateway_service";
import { systemClock } from "@drawbridge/lifecycle";
import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import { createGrpcClient, fromGrpcError } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";

type Frame = NonNullable<ConnectResponse["frame"]>;
type FrameOf<C extends Frame["$case"]> = Extract<Frame, { $case: C }>["value"];

/** A gateway as the agent sees it: the real service over the real socket. */
export interface ScriptedGateway extends AsyncDisposable {
  readonly frames: readonly Frame[];
  /** The newest word of this kind that fits, or the next one. */
  heard<C extends Frame["$case"]>(kind: C, fits?: (value: FrameOf<C>) => boolean): Promise<FrameOf<C>>;
  say(frame: NonNullable<ConnectRequest["frame"]>): void;
  report(report: Partial<GateReport>): void;
  getObjects(digests: readonly Buffer[]): Promise<readonly Buffer[]>;
  reportRoutes(apis: readonly ApiRoutes[]): Promise<void>;
  /** `refusedTokenSha256`: of a token that analytics-ingest does not take. */
  getAnalyticsAccess(refusedTokenSha256?: Buffer, purpose?: AccessPurpose): Promise<GetAnalyticsAccessResponse>;
  reportInsight(report: ReportInsightRequest): Promise<void>;
  readonly ended: Promise<unknown>;
}

/** Dials the socket and says hello; the agent may come later. */
export async function openGateway(socketPath: string, gatewayId = "gateway-0"): Promise<ScriptedGateway> {
  while (!existsSync(socketPath)) await systemClock.sleep(20); // a gateway tries again and again
  const client = createGrpcClient(GatewayServiceClient, {
    address: socketPath,
    identity: "unix-socket",
    expectedServer: "agent",
    maxMessageBytes: 8 * 1024 * 1024,
    logger: createTestLogger().logger,
  });
  const stream = client.call.connect();
  const frames: Frame[] = [];
  let news = Promise.withResolvers<void>();
  const over = Promise.withResolvers<unknown>();
  stream.on("data", ({ frame }: ConnectResponse) => {
    if (frame) frames.push(frame);
    news.resolve();
    news = Promise.withResolvers<void>();
  });
  stream.on("error", (error: unknown) => over.resolve(fromGrpcError(error, "agent")));
  stream.on("end", () => over.resolve(undefined));
  const gateway: ScriptedGateway = {
    frames,
    ended: over.promise,
    heard: async (kind, fits = () => true) => {
      for (;;) {
        const frame = frames.findLast((candidate) => candidate.$case === kind);
        // The case was compared with the kind that was asked for.
        const value = frame?.value as FrameOf<typeof kind> | undefined;
        if (value !== undefined && fits(value)) return value;
        const ended = await Promise.race([news.promise.then(() => false), over.promise.then(() => true)]);
        if (ended) throw (await over.promise) ?? new Error(`the stream ended before ${kind}`);
      }
    },
    say: (frame) => void stream.write({ frame }),
    report: (report) => gateway.say({ $case: "gateReport", value: { complete: false, apps: [], ...report } }),
    getObjects: async (digests) => (await client.call.getObjects({ digests: [...digests] })).objects,
    reportRoutes: async (apis) => void (await client.call.reportRoutes({ apis: [...apis] })),
    getAnalyticsAccess: (refusedTokenSha256 = Buffer.alloc(0), purpose = AccessPurpose.ACCESS_PURPOSE_UNSPECIFIED) =>
      client.call.getAnalyticsAccess({ refusedTokenSha256, purpose }),
    reportInsight: async (report) => void (await client.call.reportInsight(report)),
    [Symbol.asyncDispose]: async () => {
      stream.cancel();
      await client.stop(AbortSignal.abort());
    },
  };
  gateway.say({ $case: "hello", value: { bootId: "boot-1", gatewayId, rootDigest: "" } });
  return gateway;
}

export function aGate(change: Partial<GateStatus> = {}): GateStatus {
  return {
    gatewayId: "gateway-0",
    apiName: "orders",
    apiVersion: "v1",
    basePath: "/api",
    deployment: "sha256:one",
    state: "live",
    since: new Date(0),
    level: "flexible",
    levelSource: "runtime version 4.1.0",
    reason: "",
    message: "",
    appliedRevision: 1n,
    desiredRevision: 1n,
    policies: 2,
    contracts: 3,
    ...change,
  };
}
