import type { AppRecord, Revision } from "./app.ts";
import type { AppStatus } from "./app-status.ts";

/** An app as the operator sees it: wish and reality. */
export interface AppView {
  readonly app: AppRecord;
  readonly fabricName: string;
  /** undefined before the first report. */
  readonly status: AppStatus | undefined;
  /** False while the fabric is not connected: status is then the last known one. */
  readonly isStatusCurrent: boolean;
}

export interface RevisionView {
  readonly revision: Revision;
  /** The one desired now. */
  readonly isCurrent: boolean;
}
