import { createHash } from "node:crypto";
import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import {
  AccessPurpose,
  GatewayServiceClient,
  type ConnectRequest,
  type ConnectResponse,
  type GateReport,
  type HttpProxy as ProxyMessage,
  type Link,
} from "@drawbridge/contracts/gateway/v1/gateway_service";
import type { HttpProxy } from "@drawbridge/egress";
import type { Clock, Component } from "@drawbridge/lifecycle";
import { defaultRefreshHintSeconds, type TrustBundle } from "@drawbridge/pki";
import { createGrpcClient, type GrpcClient } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { AnalyticsAccess } from "../analytics/exporter-protocol.ts";
import type { GetObjects } from "../configuration/fetch-objects.ts";
import type { SentExchanges } from "../insight/sent-counts.ts";
import type { LinkReport } from "./link-session.ts";

export interface FeedEvents {
  readonly onLink: (link: LinkReport) => void;
  readonly onRoot: (jws: string) => void;
  readonly onTrustBundle: (bundle: TrustBundle) => void;
  /** The agent is gone, or not there. */
  readonly onLost: () => void;
}

export interface Feed extends Component {
  readonly getObjects: GetObjects;
  /** Say how gates stand. False: nobody listens; the next stream begins with all of them. */
  readonly report: (report: GateReport) => boolean;
  /** Resolves when the control plane has these observed routes. */
  readonly reportRoutes: (apis: readonly ApiRoutes[]) => Promise<void>;
  /** The right to report requests to analytics-ingest; another one than the token that was refused, if one was. */
  readonly getAnalyticsAccess: (refusedToken: string, purpose: "requests" | "insight") => Promise<AnalyticsAccess>;
  /** Resolves when the fabric's ledger has it. */
  readonly reportInsight: (sent: SentExchanges) => Promise<void>;
}

interface FeedOptions {
  readonly socketPath: string;
  readonly gatewayId: string;
  readonly bootId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the root that is followed; empty for none. */
  readonly rootDigest: () => string;
  /** Every gate, for the beginning of a stream. */
  readonly completeReport: () => readonly GateReport[];
  readonly events: FeedEvents;
}

const reconnectMs = 250;
/** A gateway and its agent start together: so long a missing agent is one that is not there yet. */
const agentGraceMs = 1_000;
const objectsTimeoutMs = 30_000;
const routesTimeoutMs = 10_000;
const accessTimeoutMs = 15_000;
/** Objects of 4 MiB, or a root of as many index pages as there can be. */
const maxMessageBytes = 9 * 1024 * 1024;

type Client = GrpcClient<typeof GatewayServiceClient.service>;

/**
 * The stream to the agent: dialled again and again, so that the gateway sees at once when the agent dies and within a second
 * when it is back.
 */
export function createFeed(options: FeedOptions): Feed {
  const { clock, logger, events } = options;
  const stopping = new AbortController();
  let client: Client | undefined;
  let send: ((request: ConnectRequest) => boolean) | undefined;
  let running = Promise.resolve();

  function openClient(): Client {
    return createGrpcClient(GatewayServiceClient, {
      address: options.socketPath,
      identity: "unix-socket",
      expectedServer: "agent",
      logger,
      maxMessageBytes,
    });
  }

  /** Resolves when the stream is over. `true`: the agent had answered. */
  function connect(dialled: Client): Promise<boolean> {
    const over = Promise.withResolvers<boolean>();
    let hasAnswered = false;
    const stream = dialled.call.connect({ signal: stopping.signal });
    const end = (): void => {
      send = undefined;
      over.resolve(hasAnswered);
    };
    stream.on("data", (response: ConnectResponse) => {
      if (!hasAnswered) logger.info({}, "connected to the agent");
      hasAnswered = true;
      deliver(response);
    });
    stream.on("error", end);
    stream.on("end", () => {
      stream.end();
      end();
    });
    stream.on("close", end);
    send = (request) => !stream.destroyed && stream.writable && (stream.write(request), true);
    const hello = { bootId: options.bootId, gatewayId: options.gatewayId, rootDigest: options.rootDigest() };
    send({ frame: { $case: "hello", value: hello } });
    for (const report of options.completeReport()) send({ frame: { $case: "gateReport", value: report } });
    return over.promise;
  }

  function deliver({ frame }: ConnectResponse): void {
    switch (frame?.$case) {
      case "link":
        return events.onLink(linkReport(frame.value));
      case "configuration":
        return events.onRoot(frame.value.rootJws);
      case "trustBundle": {
        const { sequence, trustDomain, rootsDer } = frame.value;
        return events.onTrustBundle({ sequence, trustDomain, rootsDer, refreshHintSeconds: defaultRefreshHintSeconds });
      }
      case undefined:
        return undefined; // of an agent that is newer than we are
    }
  }

  async function run(): Promise<void> {
    const startedMs = clock.monotonicMs();
    let wasConnected = true;
    while (!stopping.signal.aborted) {
      // A new channel at each attempt: one that failed waits before it tries again.
      const dialled = openClient();
      client = dialled;
      const hasAnswered = await connect(dialled).catch(() => false);
      client = undefined;
      await dialled.stop(AbortSignal.abort());
      if (stopping.signal.aborted) return;
      if (hasAnswered || clock.monotonicMs() - startedMs >= agentGraceMs) {
        if (wasConnected || hasAnswered) logger.warn({}, "the agent is away: going on without it");
        wasConnected = false;
        events.onLost();
      }
      await clock.sleep(reconnectMs, stopping.signal).catch(() => undefined); // stopped
    }
  }

  return {
    name: "feed",
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    getObjects: async (digests) => {
      const asked = client ?? openClient();
      const request = { digests: digests.map((digest) => Buffer.from(digest, "hex")) };
      const { objects } = await asked.call.getObjects(request, {
        timeoutMs: objectsTimeoutMs,
        signal: stopping.signal,
      });
      return objects;
    },
    reportRoutes: async (apis) => {
      if (client === undefined) throw new Error("there is no agent now");
      await client.call.reportRoutes({ apis: [...apis] }, { timeoutMs: routesTimeoutMs, signal: stopping.signal });
    },
    reportInsight: async ({ url, exchanges, bytes }) => {
      if (client === undefined) throw new Error("there is no agent now");
      const report = { url, exchanges: BigInt(exchanges), bytes: BigInt(bytes) };
      await client.call.reportInsight(report, { timeoutMs: accessTimeoutMs, signal: stopping.signal });
    },
    getAnalyticsAccess: async (refusedToken, purpose) => {
      if (client === undefined) throw new Error("there is no agent now");
      const { token, url, expiresAt, proxy } = await client.call.getAnalyticsAccess(
        {
          refusedTokenSha256:
            refusedToken === "" ? Buffer.alloc(0) : createHash("sha256").update(refusedToken).digest(),
          purpose:
            purpose === "insight" ? AccessPurpose.ACCESS_PURPOSE_INSIGHT : AccessPurpose.ACCESS_PURPOSE_UNSPECIFIED,
        },
        { timeoutMs: accessTimeoutMs, signal: stopping.signal },
      );
      return { token, url, expiresAtMs: expiresAt?.getTime() ?? 0, proxy: proxy && proxyOf(proxy) };
    },
    report: (report) => send?.({ frame: { $case: "gateReport", value: report } }) ?? false,
  };
}

function proxyOf({ host, port, credentials }: ProxyMessage): HttpProxy {
  return credentials === "" ? { host, port } : { host, port, credentials };
}

function linkReport({ isUp, since, reason, announcedDigest }: Link): LinkReport {
  return { isUp, since: since ?? new Date(0), reason, announcedDigest };
}
