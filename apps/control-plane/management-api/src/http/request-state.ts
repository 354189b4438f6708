import type { Caller, Route } from "./route.ts";

/** What is known of a request while it is handled. */
export interface RequestState {
  readonly route: Route;
  readonly address: string;
  /** What it is about, for the audit record. */
  target: string;
  /** Aborts when the client goes away before its answer. */
  readonly gone: AbortSignal;
  /** The same, from our side. */
  readonly end: (reason: Error) => void;
  /** Further facts for the audit record, added by the route. */
  readonly facts: Record<string, string>;
  requestId: string;
  caller: Caller | undefined;
}
