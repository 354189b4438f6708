import type { CaptureOrder } from "./capture-order.ts";

/** What time it is, by both clocks. */
export interface Instant {
  /** Milliseconds since the epoch; may jump. */
  readonly wallMs: number;
  readonly monotonicMs: number;
}

interface Watched {
  /** Monotonic. */
  readonly endsMs: number;
  isOver: boolean;
  taken: number;
  second: number;
  takenInSecond: number;
}

/** A clock further behind the control plane's than this is wrong. */
const clockToleranceMs = 5 * 60_000;
/** No capture lives longer: by then nobody asks for it again. */
const forgetAfterMs = 25 * 3_600_000;
const mostWatched = 4_096;

/*
 * When captures end and how much they take.
 *
 * Invariants:
 * - What is over stays over, whatever a clock or a later document says.
 * - The time of a capture is that of its first sight: neither the wall clock nor a document prolongs it.
 */
export class CaptureGuard {
  readonly #watched = new Map<string, Watched>();

  /** Whether it may take anything now. */
  isOpen(order: CaptureOrder, now: Instant): boolean {
    const watched = this.#watch(order, now);
    if (watched === undefined || watched.isOver) return false;
    const { wallMs, monotonicMs } = now;
    watched.isOver = wallMs >= order.expiresAtMs || monotonicMs >= watched.endsMs || watched.taken >= order.most;
    return !watched.isOver && wallMs >= order.startsAtMs - clockToleranceMs;
  }

  /** Take one exchange. */
  take(order: CaptureOrder, now: Instant): "taken" | "too_many" | "over" {
    if (!this.isOpen(order, now)) return "over";
    const watched = this.#watched.get(order.captureId);
    if (watched === undefined) return "over";
    const second = Math.floor(now.monotonicMs / 1_000);
    if (watched.second !== second) {
      watched.second = second;
      watched.takenInSecond = 0;
    }
    if (watched.takenInSecond >= order.perSecond) return "too_many";
    watched.takenInSecond += 1;
    watched.taken += 1;
    return "taken";
  }

  /** Whether it takes another one in this second. */
  hasRoom(order: CaptureOrder, { monotonicMs }: Instant): boolean {
    const watched = this.#watched.get(order.captureId);
    return watched?.second !== Math.floor(monotonicMs / 1_000) || watched.takenInSecond < order.perSecond;
  }

  /** Whoever gets them wants no more. */
  end(captureId: string): void {
    const watched = this.#watched.get(captureId);
    if (watched !== undefined) watched.isOver = true;
  }

  /** Exchanges that it took. */
  taken(captureId: string): number {
    return this.#watched.get(captureId)?.taken ?? 0;
  }

  #watch(order: CaptureOrder, { wallMs, monotonicMs }: Instant): Watched | undefined {
    const known = this.#watched.get(order.captureId);
    if (known !== undefined) return known;
    if (this.#watched.size >= mostWatched) this.#forget(monotonicMs);
    if (this.#watched.size >= mostWatched) return undefined;
    const lifeMs = order.expiresAtMs - order.startsAtMs;
    const leftMs = Math.min(lifeMs, Math.max(0, order.expiresAtMs - wallMs));
    const watched = { endsMs: monotonicMs + leftMs, isOver: false, taken: 0, second: -1, takenInSecond: 0 };
    this.#watched.set(order.captureId, watched);
    return watched;
  }

  #forget(monotonicMs: number): void {
    for (const [captureId, { endsMs }] of this.#watched) {
      if (monotonicMs - endsMs >= forgetAfterMs) this.#watched.delete(captureId);
    }
  }
}
