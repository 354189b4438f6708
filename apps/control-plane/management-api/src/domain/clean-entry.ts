import type { AuditEntry } from "./audit-record.ts";

const longestText = 512;

/** Text from outside as it may stand in the audit log: no control characters, of bounded length. */
export function cleanText(text: string): string {
  const short = text.length > longestText ? `${text.slice(0, longestText - 1)}\u2026` : text;
  // After the cut, which may have halved a surrogate pair: what is hashed must be what the database gives back.
  return short.replaceAll(/[\p{Cc}\p{Cs}]/gu, "\ufffd");
}

type Texts = Pick<AuditEntry, "requestId" | "actor" | "address" | "action" | "target" | "details">;

/** An entry whose texts are all clean. PostgreSQL takes no NUL in text, and a log should not take over a terminal. */
export function cleanEntry<T extends Texts>(entry: T): T {
  return {
    ...entry,
    requestId: cleanText(entry.requestId),
    actor: cleanText(entry.actor),
    address: cleanText(entry.address),
    action: cleanText(entry.action),
    target: cleanText(entry.target),
    details: Object.fromEntries(
      Object.entries(entry.details).map(([name, value]) => [cleanText(name), cleanText(value)]),
    ),
  };
}
