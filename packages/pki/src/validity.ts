import { wholeSeconds } from "./certificate.ts";

/** Start of validity lies this far back, for parties whose clocks are behind (design R2). */
const backdateSeconds = 300;

/** Five minutes back, but never more than a twelfth of the life: a drill's ten seconds must not begin half spent. */
export function validity(now: Date, ttlSeconds: number): { readonly notBefore: Date; readonly notAfter: Date } {
  const backMs = Math.min(backdateSeconds, Math.floor(ttlSeconds / 12)) * 1000;
  return {
    notBefore: wholeSeconds(new Date(now.getTime() - backMs)),
    notAfter: wholeSeconds(new Date(now.getTime() + ttlSeconds * 1000)),
  };
}
