import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { Metrics } from "@drawbridge/telemetry";
import type { IssueCertificate } from "./domain/issue-certificate.ts";
import type { SignLeaf } from "./domain/sign-leaf.ts";

/** "issued" counts a repeated request again; "refused" is the caller's fault, "limited" its name's, "failed" ours or the database's. */
type IssueResult = "issued" | "refused" | "limited" | "overloaded" | "failed";

/** Count requests for certificates by profile and result. */
export function countIssues(issue: IssueCertificate, metrics: Pick<Metrics, "counter">): IssueCertificate {
  const requests = metrics.counter("certificate_requests", { description: "requests for a certificate" });
  return async (request) => {
    const count = (result: IssueResult): void => requests.add(1, { profile: request.profile, result });
    try {
      const certificate = await issue(request);
      count("issued");
      return certificate;
    } catch (error) {
      count(resultOf(error));
      throw error;
    }
  };
}

/** Measure from the request until its leaf is signed, the wait for the signing thread included. */
export function timeSigning(
  sign: SignLeaf,
  deps: { readonly metrics: Pick<Metrics, "histogram">; readonly clock: Pick<Clock, "monotonicMs"> },
): SignLeaf {
  const signing = deps.metrics.histogram("signing_seconds", {
    description: "time until a CSR is checked and its leaf signed",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  });
  return async (request) => {
    const beganMs = deps.clock.monotonicMs();
    const leaf = await sign(request);
    signing.record((deps.clock.monotonicMs() - beganMs) / 1000);
    return leaf;
  };
}

/** When something that must not expire unnoticed expires; no sample before it is known. */
export function gaugeExpiry(metrics: Pick<Metrics, "gauge">, name: string, notAfter: () => Date | undefined): void {
  metrics.gauge(`${name}_not_after_seconds`, { description: "when it expires, seconds since 1970" }, () => {
    const instant = notAfter();
    return instant === undefined ? [] : [[instant.getTime() / 1000, {}]];
  });
}

function resultOf(error: unknown): IssueResult {
  if (isDrawbridgeError(error, "ISSUE_OVERLOADED")) return "overloaded";
  if (isDrawbridgeError(error, "ISSUE_NAME_LIMIT")) return "limited";
  const isRefusal = isDrawbridgeError(error) && (error.kind === "invalid_argument" || error.kind === "already_exists");
  return isRefusal ? "refused" : "failed";
}
