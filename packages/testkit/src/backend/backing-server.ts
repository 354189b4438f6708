/** A backing service that a test may kill. */
export interface KillableServer {
  /** SIGKILL. Clients see their connections break. */
  kill(): Promise<void>;
  /** Start again on the same state and port. */
  start(): Promise<void>;
  /** An orderly stop and a start. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}
