/** A figure, and what it is of. */
export interface Reading {
  /** "api=orders"; empty for the only one of its rule. */
  readonly series: string;
  readonly value: number;
}

export interface Bound {
  readonly above?: number | undefined;
  readonly below?: number | undefined;
  readonly forSeconds: number;
}

/** A series that is beyond its bound: not long enough yet, or told. */
export interface SeriesState {
  readonly series: string;
  readonly state: "pending" | "firing";
  /** Since when it is beyond its bound. */
  readonly since: Date;
  /** Since when it fires. */
  readonly firedAt: Date | undefined;
  /** When receivers were to be told; undefined while it is pending or silenced. */
  readonly toldAt: Date | undefined;
  readonly incidentId: string;
  readonly value: number;
}

/** What becomes of a series: undefined is within its bound. */
export interface Transition {
  readonly before: SeriesState | undefined;
  readonly after: SeriesState | undefined;
  /** What there is to tell. */
  readonly news: "firing" | "resolved" | undefined;
}

export function isBeyond(value: number, { above, below }: Bound): boolean {
  if (Number.isNaN(value)) return false;
  return (above !== undefined && value > above) || (below !== undefined && value < below);
}

/**
 * What a look at a rule's figures changes. A series without a figure any more is within its bound: what nobody asks for does
 * not fail. What fires while it is silenced is told when the silence is over, if it still fires then; that something is over
 * hears who was told that it fires.
 */
export function nextStates(
  bound: Bound,
  seen: {
    readonly states: readonly SeriesState[];
    readonly readings: readonly Reading[];
    readonly now: Date;
    readonly newId: () => string;
    readonly isSilenced: (series: string) => boolean;
  },
): readonly Transition[] {
  const { states, readings, now, newId, isSilenced } = seen;
  const before = new Map(states.map((state) => [state.series, state]));
  const beyond = new Map(
    readings.filter(({ value }) => isBeyond(value, bound)).map(({ series, value }) => [series, value]),
  );
  return [...new Set([...before.keys(), ...beyond.keys()])].map((series) => {
    const was = before.get(series);
    const value = beyond.get(series);
    if (value === undefined) return { before: was, after: undefined, news: was?.toldAt && "resolved" };
    const since = was?.since ?? now;
    const isLong = now.getTime() - since.getTime() >= bound.forSeconds * 1_000;
    const state = was?.state === "firing" || isLong ? "firing" : "pending";
    const firedAt = was?.firedAt ?? (state === "firing" ? now : undefined);
    const toldAt = was?.toldAt ?? (state === "firing" && !isSilenced(series) ? now : undefined);
    const after: SeriesState = { series, state, since, firedAt, toldAt, incidentId: was?.incidentId ?? newId(), value };
    return { before: was, after, news: toldAt && !was?.toldAt ? "firing" : undefined };
  });
}

/** The farthest beyond its bound, or nearest to it, first. */
export function mostNotable(readings: readonly Reading[], { above }: Bound): readonly Reading[] {
  const sign = above === undefined ? 1 : -1;
  return readings.filter(({ value }) => Number.isFinite(value)).toSorted((a, b) => sign * (a.value - b.value));
}
