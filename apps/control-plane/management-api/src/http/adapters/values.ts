/**
 * A proto uint64 or int64 as a JSON number. JSON numbers are exact up to 2^53 - 1 (RFC 8259 6, I-JSON); a counter of ours
 * beyond that is a bug, not something to round.
 */
export function safeNumber(field: string, value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${field} is beyond the safe range of JSON numbers`);
  return number;
}

export function instantOrNull(at: Date | undefined): string | null {
  return at?.toISOString() ?? null;
}

/** An instant that its message always has. */
export function requiredInstant(field: string, at: Date | undefined): string {
  return required(field, at).toISOString();
}

/** A part of a message that its contract promises; without it the peer broke the contract. */
export function required<T>(field: string, value: T | undefined): T {
  if (value === undefined) throw new TypeError(`a peer left out ${field}`);
  return value;
}
