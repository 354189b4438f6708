import { createHash } from "node:crypto";

/** The table of incidents keeps no longer ones. */
const longest = 1_000;

/**
 * What an alert calls one of a rule's series. Its value is what a fabric told: what no text in the database may hold is left out, and
 * where it is too long a hash tells it from others that begin like it.
 */
export function seriesName(key: string, value: string): string {
  const name = `${key}=${value.replaceAll(/\p{Cc}/gu, "")}`;
  if (name.length <= longest) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 16);
  return `${name.slice(0, longest - hash.length - 1).toWellFormed()}…${hash}`;
}
