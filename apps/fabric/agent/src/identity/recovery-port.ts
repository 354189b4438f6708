/** Why this agent's certificate does not open the tunnel any more. */
export type RecoveryCause =
  /** Its validity is over, by the control plane's time where it is known. */
  | "expired"
  /** A later certificate of this agent was activated (`CERTIFICATE_SUPERSEDED`, `AGENT_SUPERSEDED`). */
  | "superseded"
  /** The control plane does not know it, for example after it was restored from a backup (`CERTIFICATE_UNKNOWN`). */
  | "unknown"
  /** It was revoked (`CERTIFICATE_REVOKED`). */
  | "revoked"
  /** The connection was refused in TLS several times in a row, as after a whole CA rotation. */
  | "refused-in-tls";

/**
 * The way back with the recovery key (REN 7), as the tunnel needs it. The new identity is stored with `storeNewIdentity` and in use
 * when it resolves; the caller reads the files again.
 */
export interface Recovery {
  /**
   * One attempt; the caller repeats it with backoff.
   * @throws DrawbridgeError what the control plane refused it with (`RECOVERY_*`, `AGENT_LOCKED`), or why it could not be asked
   */
  recover(cause: RecoveryCause, signal: AbortSignal): Promise<void>;
}
