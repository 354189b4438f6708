import type { AlertBoard } from "../alerts/alert-board.ts";
import type { Held } from "./certificate-renewer.ts";
import { urgencyOf } from "./renewal-schedule.ts";

/** So many attempts in a row, or one in the last quarter of the life, are worth a person's time. */
const failuresThatMatter = 3;

/** Design R6: a quarter of the life left, a tenth left, and renewal that fails; for both certificates. */
export function raiseRenewalAlerts(
  held: readonly Held[],
  alerts: Pick<AlertBoard, "raise" | "clear">,
  now: Date,
): void {
  const judged = held.map((each) => ({ ...each, urgency: urgencyOf(each.meta, now) }));
  const tell = (
    reason: "CertificateExpiring" | "CertificateExpiryCritical" | "RenewalFailing",
    lines: string[],
  ): void => (lines.length === 0 ? alerts.clear(reason) : alerts.raise(reason, lines.join("; ")));
  const endOf = ({ purpose, meta }: Held): string => `the ${purpose} certificate ends at ${meta.notAfter}`;
  tell(
    "CertificateExpiring",
    judged
      .filter(({ urgency }) => urgency !== "fine")
      .map((each) => `${endOf(each)}, a quarter of its life or less is left`),
  );
  tell(
    "CertificateExpiryCritical",
    judged
      .filter(({ urgency }) => urgency === "critical" || urgency === "expired")
      .map((each) =>
        each.urgency === "expired"
          ? `${endOf(each)}: it is over`
          : `${endOf(each)}, a tenth of its life or less is left`,
      ),
  );
  tell(
    "RenewalFailing",
    judged
      .filter(({ failures, urgency }) => failures >= (urgency === "fine" ? failuresThatMatter : 1))
      .map(
        ({ purpose, failures, lastFailure }) =>
          `the ${purpose} certificate could not be renewed ${failures} times in a row, the last time because of ${lastFailure}`,
      ),
  );
}
