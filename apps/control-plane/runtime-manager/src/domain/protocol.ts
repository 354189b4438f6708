import { DrawbridgeError } from "@drawbridge/errors";

/** Versions of the tunnel's protocol that this service speaks. */
export const protocol = { lowest: 1, highest: 1 } as const;

/**
 * The highest version that both sides speak.
 * @throws DrawbridgeError `VERSION_INCOMPATIBLE` (failed_precondition)
 */
export function negotiateProtocol(agent: { readonly min: number; readonly max: number }): number {
  const chosen = Math.min(agent.max, protocol.highest);
  if (agent.min <= agent.max && chosen >= Math.max(agent.min, protocol.lowest)) return chosen;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "VERSION_INCOMPATIBLE",
    message:
      `the agent speaks tunnel protocols ${agent.min} to ${agent.max}, the control plane ` +
      `${protocol.lowest} to ${protocol.highest}; upgrade the ${agent.max < protocol.lowest ? "agent" : "control plane"}`,
    details: { protocol_min: String(protocol.lowest), protocol_max: String(protocol.highest) },
  });
}
