import type { OutboundFetch, PolicyClock } from "../policy-services.ts";

export interface RemoteDocumentOptions<T> {
  readonly url: string;
  readonly accept: string;
  /** PEM roots to trust instead of the system's. */
  readonly trustedRoots?: string;
  readonly fetch: OutboundFetch;
  readonly clock: Pick<PolicyClock, "nowMs" | "monotonicMs">;
  /** A document older than this is fetched again; until that succeeds the old one is used, for an hour more. */
  readonly ttlMs: number;
  /** Make sense of the parsed JSON; undefined or a throw: as if the server had not answered. */
  readonly read: (json: unknown) => T | undefined;
  /** Equal for documents that mean the same. */
  readonly fingerprint: (value: T) => string;
}

const fetchTimeoutMs = 5000;
const largestBytes = 262_144;
/** One fetch in so long, whatever requests ask for: a flood of invented key ids must not become a flood at the issuer. */
const refreshPauseMs = 30_000;
/** While there is no usable document every request is refused, so we try more often. */
const firstFetchPauseMs = 2000;
const staleMs = 3_600_000;
const mostWaiting = 256;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * A JSON document of a server that the operator named. Invariants: one fetch at a time; a fetch that fails changes nothing;
 * `version` grows exactly when the meaning changes.
 */
export class RemoteDocument<T> {
  readonly #options: RemoteDocumentOptions<T>;
  #value: T | undefined;
  #fingerprint = "";
  #version = 0;
  #fetchedAtMs: number | undefined;
  #attemptedAtMs = Number.NEGATIVE_INFINITY;
  #flight: Promise<void> | undefined;
  #waiting = 0;
  #failure: string | undefined;

  constructor(options: RemoteDocumentOptions<T>) {
    this.#options = options;
  }

  get value(): T | undefined {
    return this.#value;
  }

  /** Why the last fetch brought nothing, for the operator; undefined if it did. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** 0 until there is a document. */
  get version(): number {
    return this.#version;
  }

  /** Until when what follows from the document may be remembered (wall clock). */
  get trustedUntilMs(): number {
    const ageMs = this.#ageMs();
    const leftMs = ageMs < this.#options.ttlMs ? this.#options.ttlMs - ageMs : refreshPauseMs;
    return this.#options.clock.nowMs() + leftMs;
  }

  isUsable(): boolean {
    return this.#ageMs() < this.#options.ttlMs + staleMs;
  }

  /**
   * What must be waited for before the document counts: undefined when nothing can get better now, "busy" when too many wait
   * already. Never rejects; look again afterwards.
   */
  refresh(reason: "wanting" | "routine"): Promise<void> | "busy" | undefined {
    if (this.isUsable() && reason === "routine") {
      // Fresh: nothing to do. Stale: fetched beside the requests, which go on with what there is.
      if (this.#ageMs() >= this.#options.ttlMs) void this.#start();
      return undefined;
    }
    const flight = this.#start();
    if (!flight) return undefined;
    if (this.#waiting >= mostWaiting) return "busy";
    this.#waiting += 1;
    return flight.finally(() => (this.#waiting -= 1));
  }

  #ageMs(): number {
    return this.#fetchedAtMs === undefined
      ? Number.POSITIVE_INFINITY
      : this.#options.clock.monotonicMs() - this.#fetchedAtMs;
  }

  /** @returns the fetch under way, or undefined if it is too early for another. */
  #start(): Promise<void> | undefined {
    if (this.#flight) return this.#flight;
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#attemptedAtMs < (this.isUsable() ? refreshPauseMs : firstFetchPauseMs)) return undefined;
    this.#attemptedAtMs = nowMs;
    this.#flight = this.#fetch().finally(() => (this.#flight = undefined));
    return this.#flight;
  }

  async #fetch(): Promise<void> {
    const { trustedRoots } = this.#options;
    try {
      const { status, body } = await this.#options.fetch({
        method: "GET",
        ...(trustedRoots === undefined ? {} : { trustedRoots }),
        url: this.#options.url,
        headers: { accept: this.#options.accept },
        timeoutMs: fetchTimeoutMs,
        maximumBytes: largestBytes,
      });
      const value = status === 200 ? this.#options.read(JSON.parse(utf8.decode(body))) : undefined;
      // What is not taken changes nothing: what there is stays, until it is too old.
      if (value !== undefined) this.#take(value);
      else this.#failure = `${this.#options.url} answered ${status}${status === 200 ? ", but not what it should" : ""}`;
    } catch (error) {
      const reason = error instanceof SyntaxError ? "answered what is no JSON" : "gave no answer";
      this.#failure = `${this.#options.url} ${reason}`;
    }
  }

  #take(value: T): void {
    this.#fetchedAtMs = this.#options.clock.monotonicMs();
    this.#failure = undefined;
    const fingerprint = this.#options.fingerprint(value);
    if (fingerprint === this.#fingerprint && this.#version > 0) return;
    this.#fingerprint = fingerprint;
    this.#value = value;
    this.#version += 1;
  }
}
