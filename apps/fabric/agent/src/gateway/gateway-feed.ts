import {
  AccessPurpose,
  GatewayServiceService,
  type ConnectRequest,
  type ConnectResponse,
  type Hello,
  type ReportInsightRequest,
} from "@drawbridge/contracts/gateway/v1/gateway_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import { createUnixGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import type { Component } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import type { AnalyticsAccess } from "./analytics-access.ts";
import type { GateBoard } from "./gate-board.ts";
import type { ObjectProxy } from "./object-proxy.ts";
import type { ApiConfigurationRoot } from "./root-store.ts";
import type { RouteProxy } from "./route-proxy.ts";

/** Whether the agent has a session with the control plane. */
export interface LinkState {
  readonly isUp: boolean;
  readonly since: Date;
  /** Stable code of why it is down; empty when up. */
  readonly reason: string;
  /** What the control plane announced in this session; empty for nothing. */
  readonly announcedDigest: string;
}

export interface GatewayFeed extends Component {
  /** Something of what gateways are told changed: say it to all of them. */
  refresh(): void;
}

export interface GatewayFeedOptions {
  readonly socketPath: string;
  readonly link: () => LinkState;
  readonly root: () => ApiConfigurationRoot | undefined;
  readonly trustBundle: () => TrustBundle;
  readonly objects: ObjectProxy;
  readonly routes: RouteProxy;
  readonly analyticsAccess: AnalyticsAccess;
  /** What a gateway sent of captured exchanges. */
  readonly onInsight: (report: ReportInsightRequest) => void;
  readonly gates: GateBoard;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Frame = NonNullable<ConnectResponse["frame"]>;

/** A gateway that is being started again is back within this; what it said of its gates stands so long. */
const absenceMs = 15_000;
const gatewayIdPattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

/**
 * What the agent tells the gateways of its fabric, on a Unix socket. A gateway hears everything after its Hello and then
 * what changes. The order within one word: roots to check with, then the configuration, then the link that names it.
 */
export function createGatewayFeed(options: GatewayFeedOptions): GatewayFeed {
  const { gates, clock } = options;
  const logger = options.logger.child({ [field.component]: "gateway-feed" });
  const stopping = new AbortController();
  const gateways = new Map<string, Listener>();

  function framesNow(): readonly Frame[] {
    const { sequence, trustDomain, rootsDer } = options.trustBundle();
    const root = options.root();
    const { isUp, since, reason, announcedDigest } = options.link();
    return [
      {
        $case: "trustBundle",
        value: { sequence, trustDomain, rootsDer: rootsDer.map((der) => Buffer.from(der)) },
      },
      ...(root
        ? [{ $case: "configuration", value: { rootDigest: root.digest, rootJws: root.jws } } satisfies Frame]
        : []),
      { $case: "link", value: { isUp, since, reason, announcedDigest } },
    ];
  }

  /** Forget what it said of its gates unless it comes back. */
  async function noteAbsence(gatewayId: string): Promise<void> {
    await clock.sleep(absenceMs, stopping.signal).catch(() => undefined); // ends when the agent stops
    if (!stopping.signal.aborted && !gateways.has(gatewayId)) gates.forget(gatewayId);
  }

  const service = defineGrpcService(GatewayServiceService, {
    allow: {
      connect: ["anyone"],
      getObjects: ["anyone"],
      reportRoutes: ["anyone"],
      getAnalyticsAccess: ["anyone"],
      reportInsight: ["anyone"],
    },
    handlers: {
      connect: async (call, { signal }) => {
        let mine: Listener | undefined;
        let gatewayId = "";
        try {
          for await (const { frame } of call as AsyncIterable<ConnectRequest>) {
            if (mine === undefined) {
              ({ gatewayId } = helloOf(frame));
              mine = createListener((next) => call.write({ frame: next }));
              // A gateway that came back before its old connection was seen to end: the newer one counts.
              gateways.set(gatewayId, mine);
              mine.tell(framesNow());
              logger.info({ gateway: gatewayId }, "gateway connected");
            } else if (frame?.$case === "gateReport") gates.take(gatewayId, frame.value);
          }
        } finally {
          if (mine !== undefined && gateways.get(gatewayId) === mine) {
            gateways.delete(gatewayId);
            logger.info({ gateway: gatewayId, aborted: signal.aborted }, "gateway disconnected");
            void noteAbsence(gatewayId);
          }
        }
      },
      getObjects: async ({ digests }, { signal }) => ({
        objects: [...(await options.objects.fetch(digests, signal))],
      }),
      reportRoutes: async ({ apis }, { signal }) => {
        await options.routes.report(apis, AbortSignal.any([signal, stopping.signal]));
        return {};
      },
      getAnalyticsAccess: ({ refusedTokenSha256, purpose }) =>
        options.analyticsAccess.get(
          refusedTokenSha256,
          purpose === AccessPurpose.ACCESS_PURPOSE_UNSPECIFIED ? "requests" : "insight",
        ),
      reportInsight: async (report) => {
        await Promise.resolve(options.onInsight(report));
        return {};
      },
    },
  });
  const server = createUnixGrpcServer({
    name: "gateway-feed",
    path: options.socketPath,
    services: [service],
    maxMessageBytes: maxReportBytes,
    maxSentMessageBytes,
    logger,
    clock,
  });

  return {
    name: "gateway-feed",
    refresh: () => {
      if (gateways.size === 0) return;
      const frames = framesNow();
      for (const gateway of gateways.values()) gateway.tell(frames);
    },
    start: (signal) => server.start(signal),
    stop: async (deadline) => {
      stopping.abort(new Error("the agent is stopping"));
      await server.stop(deadline);
    },
  };
}

/** 4 MiB of objects, or a root of as many index pages as there can be. */
const maxSentMessageBytes = 8 * 1024 * 1024;
/** The gates of one app are never parted: room for 10,000 of them. */
const maxReportBytes = 16 * 1024 * 1024;

interface Listener {
  tell(frames: readonly Frame[]): void;
}

/** Says each word only when it differs from the last of its kind. */
function createListener(write: (frame: Frame) => void): Listener {
  const said = new Map<Frame["$case"], string>();
  return {
    tell: (frames) => {
      for (const frame of frames) {
        const text = fingerprintOf(frame);
        if (said.get(frame.$case) === text) continue;
        said.set(frame.$case, text);
        write(frame);
      }
    },
  };
}

function fingerprintOf(frame: Frame): string {
  switch (frame.$case) {
    case "configuration":
      return frame.value.rootDigest;
    case "trustBundle":
      return String(frame.value.sequence);
    case "link":
      return JSON.stringify(frame.value);
  }
}

function helloOf(frame: ConnectRequest["frame"]): Hello {
  if (frame?.$case === "hello" && gatewayIdPattern.test(frame.value.gatewayId)) return frame.value;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "GATEWAY_REQUEST_INVALID",
    message: "a gateway says hello first, with its name",
  });
}
