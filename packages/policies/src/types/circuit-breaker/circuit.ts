export interface CircuitOptions {
  readonly windowMs: number;
  readonly minimumRequests: number;
  readonly failurePercent: number;
  /** How long it stays open the first time; doubled each time that it opens again from half-open. */
  readonly openMs: number;
  readonly longestOpenMs: number;
  /** Requests that are let through while it is half-open, all of which must succeed. */
  readonly trials: number;
}

type Phase =
  | { readonly name: "closed" }
  | { readonly name: "open"; readonly untilMs: number }
  | { readonly name: "half_open"; begun: number; succeeded: number; readonly givenUpAtMs: number };

/** What `enter` says: let through under this turn, or not before so many milliseconds. */
export type Entry = { readonly turn: number } | { readonly waitMs: number };

const buckets = 10;

/**
 * The circuit of one upstream: closed while few requests fail, open when too many do, half-open to try again. Invariants: a
 * result counts only in the phase in which its request was let through (`turn`); half-open lets at most `trials` through;
 * trials that never report end after as long as the circuit was open, so that it cannot stay half-open for ever.
 */
export class Circuit {
  readonly #options: CircuitOptions;
  readonly #requests = new Uint32Array(buckets);
  readonly #failures = new Uint32Array(buckets);
  #bucketNumber = 0;
  #phase: Phase = { name: "closed" };
  #turn = 0;
  #openMs: number;

  constructor(options: CircuitOptions) {
    this.#options = options;
    this.#openMs = options.openMs;
  }

  get phase(): Phase["name"] {
    return this.#phase.name;
  }

  enter(nowMs: number): Entry {
    let phase = this.#phase;
    if (phase.name === "open" && nowMs < phase.untilMs) return { waitMs: phase.untilMs - nowMs };
    if (phase.name === "open" || (phase.name === "half_open" && nowMs >= phase.givenUpAtMs)) {
      phase = this.#become({ name: "half_open", begun: 0, succeeded: 0, givenUpAtMs: nowMs + this.#openMs });
    }
    if (phase.name === "half_open") {
      if (phase.begun >= this.#options.trials) return { waitMs: Math.max(1, phase.givenUpAtMs - nowMs) };
      phase.begun += 1;
    }
    return { turn: this.#turn };
  }

  /** @returns whether this opened the circuit */
  leave(turn: number, result: "success" | "failure" | "abandoned", nowMs: number): boolean {
    if (turn !== this.#turn) return false;
    const phase = this.#phase;
    if (phase.name === "half_open") return this.#conclude(phase, result, nowMs);
    if (phase.name === "open" || result === "abandoned") return false;
    this.#count(result, nowMs);
    if (result === "success" || !this.#isFailing()) return false;
    this.#openMs = this.#options.openMs;
    this.#become({ name: "open", untilMs: nowMs + this.#openMs });
    return true;
  }

  #conclude(phase: Phase & { name: "half_open" }, result: "success" | "failure" | "abandoned", nowMs: number): boolean {
    if (result === "abandoned") {
      phase.begun -= 1;
      return false;
    }
    if (result === "failure") {
      this.#openMs = Math.min(this.#openMs * 2, this.#options.longestOpenMs);
      this.#become({ name: "open", untilMs: nowMs + this.#openMs });
      return true;
    }
    phase.succeeded += 1;
    if (phase.succeeded >= this.#options.trials) this.#become({ name: "closed" });
    return false;
  }

  #become<P extends Phase>(phase: P): P {
    this.#phase = phase;
    this.#turn += 1;
    this.#requests.fill(0);
    this.#failures.fill(0);
    return phase;
  }

  #count(result: "success" | "failure", nowMs: number): void {
    const number = Math.floor(nowMs / (this.#options.windowMs / buckets));
    const passed = Math.min(buckets, number - this.#bucketNumber);
    for (let step = 1; step <= passed; step += 1) {
      const index = (this.#bucketNumber + step) % buckets;
      this.#requests[index] = 0;
      this.#failures[index] = 0;
    }
    if (passed > 0) this.#bucketNumber = number;
    const index = this.#bucketNumber % buckets;
    this.#requests[index] = (this.#requests[index] ?? 0) + 1;
    if (result === "failure") this.#failures[index] = (this.#failures[index] ?? 0) + 1;
  }

  #isFailing(): boolean {
    const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0);
    const requests = sum(this.#requests);
    return (
      requests >= this.#options.minimumRequests && sum(this.#failures) * 100 >= requests * this.#options.failurePercent
    );
  }
}
