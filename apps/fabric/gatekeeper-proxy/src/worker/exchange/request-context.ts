import type { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { ReportableRequest } from "@drawbridge/request-batch";
import type { HeadMemory } from "../request/head-memory.ts";
import type { RequestFields } from "../request/read-fields.ts";
import type { Target } from "../request/normalise-target.ts";
import type { Replica } from "../route/replica.ts";
import type { InsightRecorder } from "../insight/insight-recorder.ts";
import type { Message } from "../traffic/message-counter.ts";
import type { DataPlaneSettings } from "../settings.ts";
import type { AttemptTimeouts } from "../upstream/upstream.ts";

/** What requests need of the thread that they run in. */
export interface RequestContext {
  readonly settings: DataPlaneSettings;
  /** Monotonic milliseconds of the last tick. */
  readonly nowMs: number;
  /** Monotonic milliseconds. */
  readonly preciseMs: () => number;
  /** Milliseconds since the epoch at that monotonic time, which was now or a moment ago. */
  readonly wallAt: (monotonicMs: number) => number;
  /** Run later; the function returned cancels it. */
  readonly after: (ms: number, wake: () => void) => () => void;
  readonly newRequestId: () => string;
  /** A tracked request is over. */
  count(disposition: Disposition, durationMs: number): void;
  /** A request for an app is over, tracked or not. */
  countMessage(message: Message): void;
  /** One of an API that is told of. */
  record(request: ReportableRequest): void;
  /** Value of Keep-Alive on answers of HTTP/1.1. */
  readonly keepAliveHint: string;
  /** Of exchanges that are captured; `undefined`: none are. */
  readonly insight: InsightRecorder | undefined;
  /** `Connection: close` on every answer. */
  readonly isDraining: boolean;
  /** The next replica's turn. */
  nextTurn(): number;
  onRequestBegun(): void;
  onRequestOver(): void;
  /** One begins that will be recorded. */
  onToldBegun(): void;
  /** It is over, whether it is recorded next or not. */
  onToldOver(): void;
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
  /** Of its connection. */
  readonly heads: HeadMemory;
}
