import type { Root } from "../configuration/root.ts";
import { mayFollow } from "../configuration/root.ts";

/** The connection to the platform as the gateway sees it: through the agent, and only as long as the agent lives. */
export interface LinkState {
  readonly state: "connecting" | "up" | "down";
  /** Wall clock, for people. */
  readonly since: Date;
  /** Monotonic, for deadlines. */
  readonly sinceMs: number;
  /** Why it is down: a stable code. */
  readonly reason: string;
}

/** What the agent says of its tunnel. */
export interface LinkReport {
  readonly isUp: boolean;
  readonly since: Date;
  readonly reason: string;
  /** Empty while the platform announced none in this session. */
  readonly announcedDigest: string;
}

/** Announcements that are kept of one session; older ones say nothing new. */
const mostAnnounced = 1_024;

/**
 * Knows whether the root that is followed was confirmed in this session: the platform announced it, or one before it. Once
 * confirmed it stays so until the session ends, also while a newer one is on its way: otherwise a platform whose
 * configuration changes all the time would keep gates closed for ever.
 */
export class LinkSession {
  readonly #announced = new Set<string>();
  #state: LinkState;
  #session: number | undefined;
  #confirmed: Root | undefined;

  constructor(now: Date, nowMs: number) {
    this.#state = { state: "connecting", since: now, sinceMs: nowMs, reason: "" };
  }

  get state(): LinkState {
    return this.#state;
  }

  isConfirmed(root: Root | undefined): boolean {
    return root !== undefined && this.#confirmed !== undefined && mayFollow(root, this.#confirmed);
  }

  report(report: LinkReport, { nowMs, root }: { readonly nowMs: number; readonly root: Root | undefined }): void {
    const session = report.isUp ? report.since.getTime() : undefined;
    if (session !== this.#session) this.#forget();
    this.#session = session;
    const state = report.isUp ? "up" : "down";
    const sinceMs = this.#state.state === state && !this.#isNewSession(report) ? this.#state.sinceMs : nowMs;
    this.#state = { state, since: report.since, sinceMs, reason: report.reason };
    if (!report.isUp || report.announcedDigest === "") return;
    if (this.#announced.size >= mostAnnounced) this.#announced.clear();
    this.#announced.add(report.announcedDigest);
    this.follow(root);
  }

  /** The stream to the agent is gone: whatever it said counts no more. */
  lose(reason: string, now: Date, nowMs: number): void {
    this.#forget();
    this.#session = undefined;
    if (this.#state.state !== "down") this.#state = { state: "down", since: now, sinceMs: nowMs, reason };
  }

  /** This root is followed from now on. */
  follow(root: Root | undefined): void {
    if (root !== undefined && this.#announced.has(root.digest)) this.#confirmed = root;
  }

  #isNewSession({ since }: LinkReport): boolean {
    return since.getTime() !== this.#state.since.getTime();
  }

  #forget(): void {
    this.#announced.clear();
    this.#confirmed = undefined;
  }
}
