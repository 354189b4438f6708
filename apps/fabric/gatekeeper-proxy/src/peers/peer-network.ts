import type { Duplex } from "node:stream";

/**
 * How the gateways of one fabric reach each other, and nobody else reaches them. Each dials all others and speaks; who is
 * dialled listens.
 */
export interface PeerNetwork {
  /** Take what others dial from now on. Rejects if this gateway cannot be reached: its limits then count alone. */
  readonly listen: (onDialled: (stream: Duplex) => void) => Promise<void>;
  /** Ids of the other gateways that are there, or were. */
  readonly others: () => Promise<readonly string[]>;
  /** Rejects if it is not there. */
  readonly dial: (gatewayId: string, signal: AbortSignal) => Promise<Duplex>;
  readonly close: () => Promise<void>;
}
