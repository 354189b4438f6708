import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import type {
  ConnectRequest,
  GetAnalyticsAccessResponse,
  GetApiConfigurationResponse,
  GetApiObjectsResponse,
  GetSnapshotResponse,
  Heartbeat,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { Lane } from "./frame-queue.ts";
import type { SessionEnd, SessionTerms, TunnelEvent } from "./tunnel-events.ts";

export type OutboundFrame = NonNullable<ConnectRequest["frame"]>;

export interface SendOptions {
  /** Default "normal". */
  readonly lane?: Lane;
  readonly correlationId?: string;
  /** Called with the frame's seq when it is written. */
  readonly onWritten?: (seq: bigint) => void;
}

/** One welcomed connection of the tunnel. */
export interface TunnelSession {
  readonly address: string;
  readonly terms: SessionTerms;
  /** Monotonic milliseconds. */
  readonly openedAtMs: number;
  /** Queue a frame. @throws DrawbridgeError `EGRESS_PAYLOAD_REFUSED`; a full queue ends the session. */
  send(frame: OutboundFrame, options?: SendOptions): void;
  /** Resolves when what was queued has been written: for senders of much. Rejects when the session has ended. */
  drained(): Promise<void>;
  getSnapshot(haveDigest: string, signal: AbortSignal): Promise<GetSnapshotResponse>;
  /** The root of what gateways enforce. */
  getApiConfiguration(haveDigest: string, signal: AbortSignal): Promise<GetApiConfigurationResponse>;
  /** Parts of it, by the SHA-256 of each. */
  getApiObjects(digests: readonly Buffer[], signal: AbortSignal): Promise<GetApiObjectsResponse>;
  /** Routes that gateways observed. */
  reportRoutes(apis: readonly ApiRoutes[], signal: AbortSignal): Promise<void>;
  /** Where gateways report requests to, and with which token. */
  getAnalyticsAccess(signal: AbortSignal): Promise<GetAnalyticsAccessResponse>;
  /** Send a heartbeat now, besides those in their turn: what it says has changed. */
  beat(): void;
  /** Certificates that the server showed, leaf first, DER. */
  serverChainDer(): readonly Uint8Array[];
  /** Somebody works with this session, until the answer is called: a session that is replaced is not closed under him at once. */
  occupy(): () => void;
  /** Resolves when nobody works with it and everything is written, or when it has ended. */
  idle(): Promise<void>;
  /** Frames that wait to be written. */
  queued(): number;
  readonly ended: Promise<SessionEnd>;
  /** Say goodbye and close. Idempotent. */
  leave(reason: string): Promise<void>;
}

/** What a session needs of the agent while it lives. */
export interface SessionHandlers {
  /** Called for everything that the control plane says after Welcome, in order. */
  onEvent(event: TunnelEvent, session: TunnelSession): void;
  heartbeat(): Heartbeat;
}
