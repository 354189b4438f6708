import type { AnalyticsRecord } from "../../workers/protocol.ts";
import type { RequestFields } from "../request/read-fields.ts";
import type { Target } from "../request/normalise-target.ts";
import type { Replica } from "../route/replica.ts";
import type { DataPlaneSettings } from "../settings.ts";
import type { AttemptTimeouts } from "../upstream/upstream.ts";

/** What requests need of the thread that they run in. */
export interface RequestContext {
  readonly settings: DataPlaneSettings;
  /** Monotonic milliseconds of the last tick. */
  readonly nowMs: number;
  /** Monotonic milliseconds. */
  readonly preciseMs: () => number;
  /** Milliseconds since the epoch. */
  readonly wallMs: () => number;
  /** Run later; the function returned cancels it. */
  readonly after: (ms: number, wake: () => void) => () => void;
  readonly newRequestId: () => string;
  readonly record: (record: AnalyticsRecord) => void;
  /** `Connection: close` on every answer. */
  readonly isDraining: boolean;
  /** The next replica's turn. */
  nextTurn(): number;
  onRequestBegun(): void;
  onRequestOver(): void;
  /** An attempt at it is over. */
  onReplicaReleased(replica: Replica): void;
  /** Of requests without policies about them. */
  readonly defaultTimeouts: AttemptTimeouts;
  /** Something that cannot happen did. */
  readonly onFault: (error: unknown) => void;
}

/** A request whose head was read and found sound. */
export interface Arrival {
  readonly method: string;
  readonly target: Target;
  readonly fields: RequestFields;
  readonly peerAddress: string;
  /** As trusted proxies tell it. */
  readonly clientAddress: string;
  readonly isTls: boolean;
  /** "x-forwarded-for: ...\r\nx-forwarded-proto: ...\r\nvia: ...\r\n" */
  readonly forwardedLines: string;
}
