// What fabrics, clients and servers wrote moves no cursor of a terminal and turns no text around (U+202A to U+2069 are Cf).

const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text as one line: what cannot be seen is shown as "\u{1b}". */
export function plainText(text: string): string {
  return text.replaceAll(unseen, shown);
}

/** Text whose line feeds stay. */
export function plainLines(text: string): string {
  return text.replaceAll(unseen, (character) => (character === "\n" ? character : shown(character)));
}

/** A line of a log: its tabs stay. */
export function plainLogLine(text: string): string {
  return text.replaceAll(unseen, (character) => (character === "\t" ? character : shown(character)));
}

function shown(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
