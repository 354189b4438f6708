/** Where the fabric's owner lets exchanges be captured. */
export type InsightPermission = "nowhere" | "everywhere" | readonly string[];

export function insightPermission(config: {
  readonly ALLOW_INSIGHT: boolean;
  readonly INSIGHT_ENVIRONMENTS?: readonly string[] | undefined;
}): InsightPermission {
  if (!config.ALLOW_INSIGHT) return "nowhere";
  return config.INSIGHT_ENVIRONMENTS ?? "everywhere";
}

export function mayCapture(permission: InsightPermission, environment: string): boolean {
  return permission === "everywhere" || (permission !== "nowhere" && permission.includes(environment));
}
