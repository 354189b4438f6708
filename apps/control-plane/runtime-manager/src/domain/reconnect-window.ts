/** Connections per second that one replica takes (design R14: 313/s measured with both sides on one machine, halved). */
const connectionsPerSecond = 150;
const shortestMs = 2_000;
const longestMs = 120_000;

/** How long agents spread their first attempt after a lost connection, so that a restart is no herd (design R13). */
export function reconnectWindowMs(agents: number): number {
  const windowMs = Math.ceil((agents / connectionsPerSecond) * 1_000);
  return Math.min(longestMs, Math.max(shortestMs, windowMs));
}
