import { createHash } from "node:crypto";
import { renewalInstant } from "@drawbridge/pki";
import type { IdentityMeta } from "../identity/identity-meta.ts";

type Dates = Pick<IdentityMeta, "serialNumber" | "notBefore" | "notAfter" | "createdAt">;

/**
 * When a certificate is due: half of its life, plus or minus a tenth (design R6). The jitter is drawn once per certificate: from
 * its serial number, which is random, so that it needs no place of its own and is the same after every restart.
 */
export function renewAtOf(meta: Dates): Date {
  return renewalInstant({
    notBefore: new Date(meta.notBefore),
    notAfter: new Date(meta.notAfter),
    receivedAt: new Date(meta.createdAt),
    jitter: createHash("sha256").update(meta.serialNumber).digest().readUInt32BE(0) / 2 ** 32,
  });
}

/** How near the end is; design R6: alerts at a quarter and at a tenth of the life. */
export function urgencyOf(meta: Dates, now: Date): "fine" | "expiring" | "critical" | "expired" {
  const endMs = new Date(meta.notAfter).getTime();
  const lifeMs = endMs - new Date(meta.notBefore).getTime();
  const leftMs = endMs - now.getTime();
  if (leftMs <= 0) return "expired";
  if (leftMs <= lifeMs / 10) return "critical";
  return leftMs <= lifeMs / 4 ? "expiring" : "fine";
}

/**
 * How long to wait after a failed attempt: full jitter from 10 s to 10 min (design R6), and never so long that fewer than
 * a few attempts are left before the end.
 */
export function retryCeilingMs(options: { readonly failures: number; readonly leftMs: number }): number {
  const backoffMs = Math.min(10_000 * 2 ** Math.min(options.failures - 1, 10), 600_000);
  return options.leftMs <= 0 ? backoffMs : Math.min(backoffMs, Math.max(options.leftMs / 4, 1_000));
}
