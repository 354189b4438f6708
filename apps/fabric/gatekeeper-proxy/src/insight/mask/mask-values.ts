import type { CapturedField } from "@drawbridge/contracts/insight/v1/insight_batch";
import type { Telling } from "./mask-rules.ts";
import type { Pair } from "./read-pairs.ts";

export const redactedText = "redacted";
const longestField = 1_024;
const mostDigitsInName = 4;
/** Header of a JSON Web Token, PEM, our own tokens: whatever the path says, this is no business datum. */
const secretPattern = /eyJ[\w-]{8,}\.|-----BEGIN |\b(?:fat1|dbt1)\.[\w-]/;
/** Digits, and what people write between them. */
const digitsPattern = /\d[\d \t./\p{Pd}]*/gu;
const shortestCard = 13;
const longestCard = 19;

export function maskedText(value: string): string {
  return `string(${value.length})`;
}

/** What is told of a name: a key that looks like a value, such as an address or a number, is one. */
export function toldName(name: string): string {
  const isName = /^[@$_]{0,2}\p{L}[\p{L}\p{N}_-]{0,63}$/u.test(name);
  return isName && name.replaceAll(/\P{N}/gu, "").length <= mostDigitsInName ? name : unnamed(name);
}

function unnamed(name: string): string {
  return `name(${name.length})`;
}

export function toldField(name: string, value: string, telling: Telling): CapturedField {
  const isRevealed = telling === "revealed" && value.length <= longestField && !holdsSecret(value);
  if (isRevealed) return { name, value, isRevealed };
  return { name: toldName(name), value: telling === "redacted" ? redactedText : maskedText(value), isRevealed };
}

/** What is told of an element of a query or a form. What has no name is told by its length, unless a path names it. */
export function toldPair({ name, value }: Pair, telling: Telling): CapturedField {
  const told = toldField(name, value ?? "", telling);
  return value === undefined && !told.isRevealed ? { ...told, name: unnamed(name) } : told;
}

/** Whether a text looks like a credential or the number of a payment card: such a value stays masked where it is revealed. */
export function holdsSecret(text: string): boolean {
  if (secretPattern.test(text)) return true;
  const runs = text.normalize("NFKC").match(digitsPattern) ?? [];
  return runs.some((run) => holdsCardNumber(run.replaceAll(/\D/g, "")));
}

/**
 * Whether 13 to 19 digits in a row have the check digit of ISO/IEC 7812-1, annex B: a card number may stand between other digits. A
 * window's sum is a difference of two sums from the start, so that work is linear.
 */
function holdsCardNumber(digits: string): boolean {
  // By whether digits at even or at odd places are doubled.
  const sums: readonly [number[], number[]] = [[0], [0]];
  for (let end = 1; end <= digits.length; end += 1) {
    const digit = Number(digits[end - 1]);
    const doubled = digit > 4 ? 2 * digit - 9 : 2 * digit;
    const isEvenPlace = end % 2 === 1;
    sums[0].push((sums[0][end - 1] ?? 0) + (isEvenPlace ? doubled : digit));
    sums[1].push((sums[1][end - 1] ?? 0) + (isEvenPlace ? digit : doubled));
    // The last digit is not doubled, the one before it is.
    const ofWindow = end % 2 === 0 ? sums[0] : sums[1];
    for (let length = shortestCard; length <= Math.min(longestCard, end); length += 1) {
      if (((ofWindow[end] ?? 0) - (ofWindow[end - length] ?? 0)) % 10 === 0) return true;
    }
  }
  return false;
}
