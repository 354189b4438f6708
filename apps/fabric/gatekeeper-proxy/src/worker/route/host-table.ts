/**
 * Things by host name: a name as it is before "*.example.com", whose asterisk stands for one label, the first (RFC 9525 6.3).
 * Of two things with one name the first counts. Names are in lower case and end without a dot.
 */
export type FindByHost<T> = (name: string) => T | undefined;

export function createHostTable<T>(entries: Iterable<readonly [name: string, thing: T]>): FindByHost<T> {
  const exact = new Map<string, T>();
  const byParent = new Map<string, T>();
  for (const [name, thing] of entries) {
    const isWildcard = name.startsWith("*.");
    const table = isWildcard ? byParent : exact;
    const key = isWildcard ? name.slice(1) : name;
    if (!table.has(key)) table.set(key, thing);
  }
  return (name) => {
    const found = exact.get(name);
    if (found !== undefined || byParent.size === 0) return found;
    const dot = name.indexOf(".");
    return dot > 0 ? byParent.get(name.slice(dot)) : undefined;
  };
}

/** A Host field or a server name as tables have it: lower case, without port and final dot. */
export function hostName(host: string): string {
  const colon = host.lastIndexOf(":");
  const name = colon > host.lastIndexOf("]") ? host.slice(0, colon) : host;
  return (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
}
