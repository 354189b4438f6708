import type { CapturedField } from "@drawbridge/contracts/insight/v1/insight_batch";
import type { Telling } from "./mask-rules.ts";
import type { Pair } from "./read-pairs.ts";

export const redactedText = "redacted";
const longestField = 1_024;
const mostDigitsInName = 4;
/** Header of a JSON Web Token, PEM, our own tokens: whatever the path says, this is no business datum. */
const secretPattern = /eyJ[\w-]{8,}\.|-----BEGIN |\b(?:fat1|dbt1)\.[\w-]/;
const cardPattern = /(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)/g;

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
  return (text.match(cardPattern) ?? []).some((digits) => isLuhnNumber(digits.replaceAll(/\D/g, "")));
}

/** ISO/IEC 7812-1, annex B. */
function isLuhnNumber(digits: string): boolean {
  const sum = Array.from(digits)
    .toReversed()
    .reduce((total, digit, index) => {
      const doubled = Number(digit) * (index % 2 === 0 ? 1 : 2);
      return total + (doubled > 9 ? doubled - 9 : doubled);
    }, 0);
  return sum % 10 === 0;
}
