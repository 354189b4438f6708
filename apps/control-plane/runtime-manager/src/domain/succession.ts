import type { AgentId } from "./ids.ts";

export interface AgentClaim {
  readonly agentId: AgentId;
  /** When the first certificate of this agent was issued. */
  readonly issuedAt: Date;
}

/**
 * Who speaks for a fabric. One agent does; re-activation makes another, whose certificate is newer, and that one takes
 * over for good. Certificates carry whole seconds, so on a tie the higher agent id wins: ids are UUIDv7 and sort by time.
 */
export function decideSuccession(
  incumbent: AgentClaim | undefined,
  challenger: AgentClaim,
): "first" | "incumbent" | "successor" | "superseded" {
  if (incumbent === undefined) return "first";
  if (incumbent.agentId === challenger.agentId) return "incumbent";
  const olderByMs = challenger.issuedAt.getTime() - incumbent.issuedAt.getTime();
  if (olderByMs !== 0) return olderByMs > 0 ? "successor" : "superseded";
  return challenger.agentId > incumbent.agentId ? "successor" : "superseded";
}
