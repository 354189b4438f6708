/** Design R21: warn from here on. */
export const skewWarnMs = 60_000;
/** Design R21: certificates and tokens cannot be relied on any more. */
export const skewAlertMs = 300_000;

/**
 * "3 h ahead", "5 min behind"; "right" below a second. Positive: this machine's clock is ahead of the control plane's.
 */
export function describeSkew(skewMs: number): string {
  const size = Math.abs(skewMs);
  if (size < 1_000) return "right";
  return `${describeDuration(size)} ${skewMs > 0 ? "ahead" : "behind"}`;
}

/** The two largest units: "2 d 3 h", "3 h", "12 s". */
export function describeDuration(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor((seconds % 86_400) / 3_600), "h"],
    [Math.floor((seconds % 3_600) / 60), "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(" ");
}

/**
 * Why a certificate is not valid at this moment, with the clock named as the cause where it can be. Never empty.
 */
export function describeValidity(options: {
  /** Whose certificate: "the certificate of runtime-manager". */
  readonly subject: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly now: Date;
  /** This machine's clock minus the control plane's, if it was ever measured. */
  readonly measuredSkewMs: number | undefined;
}): string {
  const { subject, notBefore, notAfter, now, measuredSkewMs } = options;
  const isEarly = now < notBefore;
  const offMs = isEarly ? notBefore.getTime() - now.getTime() : now.getTime() - notAfter.getTime();
  const fact = isEarly
    ? `${subject} is valid only from ${notBefore.toISOString()}, and this machine's clock says ${now.toISOString()}`
    : `${subject} expired at ${notAfter.toISOString()}, and this machine's clock says ${now.toISOString()}`;
  const points = isEarly ? "behind" : "ahead";
  const isMeasuredSo =
    measuredSkewMs !== undefined &&
    Math.abs(measuredSkewMs) >= skewWarnMs &&
    (isEarly ? measuredSkewMs < 0 : measuredSkewMs > 0);
  if (isMeasuredSo) return `${fact}: your clock is ${describeSkew(measuredSkewMs)}; set it right (NTP)`;
  if (isEarly) return `${fact}: your clock is at least ${describeDuration(offMs)} ${points}; set it right (NTP)`;
  return `${fact}: either your clock is ahead by ${describeDuration(offMs)} or more, or it was not renewed in time`;
}
