/** Tables that the rows of each block are added up for (migrations/0002), in the order in which they are inserted. */
export const rollUpNames = [
  "api_traffic_15m",
  "latency_30m",
  "application_traffic_1h",
  "geography_traffic_1h",
  "user_agent_traffic_1h",
] as const;

export type RollUpName = (typeof rollUpNames)[number];
