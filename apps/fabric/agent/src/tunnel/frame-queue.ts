/** R11: at most 1 000 frames or 8 MiB wait to be written. */
const maxFrames = 1_000;
const maxBytes = 8 * 1024 * 1024;

export type Lane = "priority" | "normal";

export interface QueuedFrame<T> {
  readonly frame: T;
  readonly sizeBytes: number;
  readonly lane: Lane;
}

/**
 * What waits to be written to a tunnel. Signs of life overtake everything else, so that a big report cannot make a healthy
 * agent look dead. Bounded: a peer that does not read makes `push` refuse, and the session is given up.
 */
export class FrameQueue<T> {
  readonly #lanes: Record<Lane, QueuedFrame<T>[]> = { priority: [], normal: [] };
  #bytes = 0;

  get length(): number {
    return this.#lanes.priority.length + this.#lanes.normal.length;
  }

  /** "full" when the frame does not fit any more. */
  push(entry: QueuedFrame<T>): "queued" | "full" {
    if (this.length >= maxFrames || this.#bytes + entry.sizeBytes > maxBytes) return "full";
    this.#lanes[entry.lane].push(entry);
    this.#bytes += entry.sizeBytes;
    return "queued";
  }

  /** The next frame to write; undefined when there is none. */
  shift(): T | undefined {
    const entry = this.#lanes.priority.shift() ?? this.#lanes.normal.shift();
    if (entry === undefined) return undefined;
    this.#bytes -= entry.sizeBytes;
    return entry.frame;
  }
}
