import type { ConnectResponse, TrustBundleChanged } from "@drawbridge/contracts/tunnel/v1/tunnel_service";

export type ServerFrame = NonNullable<ConnectResponse["frame"]>;

export interface QueuedFrame {
  readonly frame: ServerFrame;
  readonly correlationId: string;
}

export interface QueueOptions {
  /** A frame with the same key that still waits is replaced: only the newest word on a subject is worth sending. */
  readonly key?: string;
  /** "urgent" frames (heartbeat answers, kicks) pass everything that waits. */
  readonly lane?: "urgent" | "normal";
  readonly correlationId?: string;
}

interface Waiting extends QueuedFrame {
  readonly key: string | undefined;
  readonly sizeBytes: number;
}

/** Design R11: a session that lags this far behind is dropped and comes back with a clean queue. */
export const queueLimits = { frames: 1_000, bytes: 8 * 1024 * 1024 } as const;

/**
 * Frames that wait for a slow connection. Made only when a write had to wait, so an idle tunnel has none.
 */
export class FrameQueue {
  readonly #urgent: Waiting[] = [];
  readonly #normal: Waiting[] = [];
  #bytes = 0;

  /** "overflow": nothing was queued and the session should end. */
  push(frame: ServerFrame, options: QueueOptions): "queued" | "overflow" {
    const waiting: Waiting = {
      frame,
      key: options.key,
      correlationId: options.correlationId ?? "",
      sizeBytes: sizeOf(frame),
    };
    const lane = options.lane === "urgent" ? this.#urgent : this.#normal;
    const at = options.key === undefined ? -1 : lane.findIndex((other) => other.key === options.key);
    const replaced = lane[at];
    const bytes = this.#bytes - (replaced?.sizeBytes ?? 0) + waiting.sizeBytes;
    const frames = this.length + (replaced ? 0 : 1);
    if (frames > queueLimits.frames || bytes > queueLimits.bytes) return "overflow";
    this.#bytes = bytes;
    if (replaced) lane[at] = waiting;
    else lane.push(waiting);
    return "queued";
  }

  shift(): QueuedFrame | undefined {
    const next = this.#urgent.shift() ?? this.#normal.shift();
    if (next) this.#bytes -= next.sizeBytes;
    return next;
  }

  get length(): number {
    return this.#urgent.length + this.#normal.length;
  }
}

/** Upper bound of every frame but those that carry certificates. */
const smallFrameBytes = 512;

function sizeOf(frame: ServerFrame): number {
  return largePartsOf(frame).reduce((sum, { length }) => sum + length, smallFrameBytes);
}

/** Certificates, and signatures over them, which are ASCII. */
function largePartsOf(frame: ServerFrame): readonly { readonly length: number }[] {
  if (frame.$case === "trustBundleChanged") return partsOf(frame.value);
  if (frame.$case !== "renewResult") return [];
  return [...frame.value.certificatesDer, ...partsOf(frame.value.trustBundle)];
}

function partsOf(bundle: TrustBundleChanged | undefined): readonly { readonly length: number }[] {
  return bundle ? [...bundle.rootsDer, ...bundle.succession] : [];
}
