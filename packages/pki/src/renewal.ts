/**
 * When to renew: half-way through the actual life of the certificate, plus or minus a tenth of it (design R2).
 * `jitter` is in [0, 1), drawn once per certificate and kept: drawn anew at each look it would renew early.
 */
export function renewalInstant(options: {
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly jitter: number;
}): Date {
  const lifeMs = options.notAfter.getTime() - options.notBefore.getTime();
  const share = 0.4 + 0.2 * Math.min(Math.max(options.jitter, 0), 1);
  return new Date(options.notBefore.getTime() + lifeMs * share);
}
