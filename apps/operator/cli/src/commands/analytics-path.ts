/** Path of what is asked of an environment's requests, with its conditions, which a query has more than once. */
export function analyticsPath(environment: string, part: string, where: readonly string[] = []): string {
  const query = new URLSearchParams(where.map((condition) => ["where", condition]));
  const path = `/v1/environments/${encodeURIComponent(environment)}/analytics${part}`;
  return where.length === 0 ? path : `${path}?${query.toString()}`;
}
