/** Whether a subject is one of a pattern's: `*` is any one token, `>` at the end is one or more (NATS subjects). */
export function matchesSubject(pattern: string, subject: string): boolean {
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  const isOpen = wanted.at(-1) === ">";
  if (isOpen ? tokens.length < wanted.length : tokens.length !== wanted.length) return false;
  return wanted.every((token, index) => token === "*" || token === ">" || token === tokens[index]);
}
