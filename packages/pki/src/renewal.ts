/**
 * When to renew: half-way through the actual life of the certificate, plus or minus a tenth of it (design R2).
 * `jitter` is in [0, 1), drawn once per certificate and kept: drawn anew at each look it would renew early.
 *
 * Validity begins before the certificate was made, so of a short life that point may be past at receipt. Who knows when the
 * certificate came says so with `receivedAt`: it is then renewed at the same share of what was left, never before it came.
 */
export function renewalInstant(options: {
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly jitter: number;
  readonly receivedAt?: Date;
}): Date {
  const share = 0.4 + 0.2 * Math.min(Math.max(options.jitter, 0), 1);
  const point = shareBetween(options.notBefore, options.notAfter, share);
  const { receivedAt } = options;
  if (receivedAt === undefined || point > receivedAt) return point;
  return receivedAt < options.notAfter ? shareBetween(receivedAt, options.notAfter, share) : receivedAt;
}

function shareBetween(from: Date, to: Date, share: number): Date {
  return new Date(from.getTime() + (to.getTime() - from.getTime()) * share);
}
