import { z } from "zod";
import { isBlockedAddress } from "./blocked-address.ts";

/**
 * A server of the operator that policies may ask: https, or http to this machine if the configuration says so. Names that
 * cannot be told apart from loopback without a look-up do not count as loopback.
 * @returns what is wrong with it, for the operator
 */
export function findUrlProblem(
  text: string,
  { allowLoopbackHttp }: { allowLoopbackHttp: boolean },
): string | undefined {
  const url = URL.parse(text);
  if (!url) return "is no URL";
  if (url.username || url.password) return "must not hold credentials";
  if (url.hash) return "must not have a fragment";
  if (isBlockedAddress(url.hostname)) return "must not be a link-local or metadata address";
  if (url.protocol === "https:") return undefined;
  if (url.protocol !== "http:") return "must begin with https://";
  if (!isLoopback(url.hostname)) return "must begin with https:// (http is for loopback addresses only)";
  return allowLoopbackHttp
    ? undefined
    : "must begin with https:// (allowLoopbackHttp permits http to a loopback address)";
}

/** Host of a parsed URL, so IPv4 addresses are in dotted form whatever they were written like. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

export const urlField = (description: string) => z.string().min(1).max(2048).describe(description);

export const allowLoopbackHttpField = z
  .boolean()
  .default(false)
  .describe("allow http instead of https if the host is a loopback address");

/** Add to `.superRefine` of the object that holds the URL. */
export function refineUrl(
  context: z.RefinementCtx,
  { field, url, allowLoopbackHttp }: { field: string; url: string; allowLoopbackHttp: boolean },
): void {
  const problem = findUrlProblem(url, { allowLoopbackHttp });
  if (problem) context.addIssue({ code: "custom", path: [field], message: problem });
}
