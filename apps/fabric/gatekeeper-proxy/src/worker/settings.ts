import type { InsightPermission } from "../insight/insight-permission.ts";

/** Limits of the data plane; the defaults are those of docs/gatekeeper-proxy.md. */
export interface DataPlaneSettings {
  /** Client: the whole head within. */
  readonly headersTimeoutMs: number;
  /** Client: head and body within; 0 for no limit (long uploads). */
  readonly requestTimeoutMs: number;
  /** Client: idle between two requests. Longer than that of common load balancers (60 s), so that they close first. */
  readonly keepAliveTimeoutMs: number;
  readonly requestsPerConnection: number;
  /** Connections of this thread, and of one address. */
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Upgraded connections of this thread. */
  readonly tunnels: number;
  /** Requests under way in this thread. */
  readonly requests: number;
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Requests are refused while the event loop is late by more. */
  readonly shedDelayMs: number;
  /** `;` in paths. */
  readonly pathParameters: "refuse" | "pass";
  /** Networks of proxies in front, whose X-Forwarded-For is believed: "10.0.0.0/8". */
  readonly trustedProxies: readonly string[];
  /** Streams of one HTTP/2 connection. */
  readonly http2Streams: number;
  /** Who speaks HTTP/1.1 with replicas. */
  readonly upstreamClient: "own" | "undici";
  /** Whether requests are told of, where a configuration asks for it: the fabric's owner has the last word. */
  readonly analytics: "told" | "untold";
  /** Words that operators choose, in what is told of paths: whoever chooses words could ask for names. */
  readonly chosenWords: "allowed" | "refused";
  /** Where exchanges may be captured, if an operator orders it: the fabric's owner alone allows it. */
  readonly insight: InsightPermission;
}

export const defaultSettings: DataPlaneSettings = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 75_000,
  requestsPerConnection: 10_000,
  connections: 20_000,
  connectionsPerAddress: 10_000,
  tunnels: 10_000,
  requests: 10_000,
  connectTimeoutMs: 5_000,
  responseTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
  shedDelayMs: 200,
  pathParameters: "refuse",
  trustedProxies: [],
  http2Streams: 100,
  upstreamClient: "own",
  analytics: "told",
  chosenWords: "refused",
  insight: "nowhere",
};

export const maxHeaderBytes = 16 * 1024;
