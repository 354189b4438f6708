import type { AuditEntry } from "./audit-record.ts";

const longestText = 512;

/** Text from outside as it may stand in the audit log: no control characters, of bounded length. */
export function cleanText(text: string): string {
  const short = text.length > longestText ? `${text.slice(0, longestText - 1)}\u2026` : text;
  // After the cut, which may have halved a surrogate pair: what is hashed must be what the database gives back.
  return short.replaceAll(/[\p{Cc}\p{Cs}]/gu, "\ufffd");
}

/**
 * What may be longer than one text of the log as several facts: `name`, `name.1`, ..., each as many of `pieces` as fit.
 * Nothing is cut as long as no piece is longer than a text.
 */
export function factsInParts(
  name: string,
  pieces: readonly string[],
  { separator }: { readonly separator: string },
): Readonly<Record<string, string>> {
  const texts: string[] = [];
  let text: string | undefined;
  for (const piece of pieces) {
    const longer: string = text === undefined ? piece : text + separator + piece;
    if (text !== undefined && longer.length > longestText) {
      texts.push(text);
      text = piece;
    } else {
      text = longer;
    }
  }
  texts.push(text ?? "");
  return Object.fromEntries(texts.map((each, index) => [index === 0 ? name : `${name}.${index}`, each]));
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
