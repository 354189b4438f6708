export function fabricPath(fabric: string): string {
  return `/v1/fabrics/${encodeURIComponent(fabric)}`;
}
