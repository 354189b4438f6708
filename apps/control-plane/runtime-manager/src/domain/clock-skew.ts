/** Agent's clock minus ours, in milliseconds; positive when the agent is ahead. The way here is counted as skew. */
export function clockSkewMs(agentTime: Date, now: Date): number {
  return agentTime.getTime() - now.getTime();
}
