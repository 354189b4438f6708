import type { Authority } from "../api/authority-types.ts";
import { formatInstant, shortDistance, shortInstant } from "../output/format-instant.ts";
import type { Output } from "../output/output.ts";

const phases: Readonly<Record<string, string>> = {
  standby: "no rotation in progress",
  init: "everybody learns the new root; the old one still issues",
  update_clients: "agents and collectors get certificates under the new root",
  update_servers: "the control plane's services get certificates under the new root",
  rollback: "everything is issued under the old root again; the new one leaves",
};

/** "init (everybody learns the new root; the old one still issues)". */
export function phaseText(phase: string): string {
  const meaning = phases[phase];
  return meaning === undefined ? phase : `${phase} (${meaning})`;
}

/** What an operator looks at: phase, keys, and of the followers those that are behind. */
export function showAuthority(output: Output, authority: Authority, now: Date): void {
  const behind = authority.followers.filter(({ missing }) => missing.length > 0);
  output.fields(
    [
      ["Phase", phaseText(authority.phase)],
      ["Since", formatInstant(authority.phaseSince, now)],
      ["Next phase", nextPhase(authority, now)],
      ["Trust bundle", `sequence ${authority.trustBundleSequence}, ${authority.roots} root(s)`],
      ["Issuing CA", issuingText(authority, now)],
      ["Followers", `${followersCount(authority)}, ${behind.length} behind, waiting for ${authority.waitingFor}`],
      ...authority.alerts.map((alert) => ["Alert", alert] as const),
    ],
    authority,
  );
  output.table(
    [
      { title: "KEY", value: (key) => key.kind },
      { title: "STATE", value: (key) => key.state },
      { title: "EXPIRES", value: (key) => shortInstant(key.notAfter, now) },
      { title: "LIVE", value: (key) => String(key.liveCertificates), align: "right" },
      { title: "SERIAL", value: (key) => key.serialNumber, align: "right" },
    ],
    authority.keys,
  );
  if (behind.length === 0) return;
  output.table(
    [
      { title: "BEHIND", value: (row) => row.name },
      { title: "KIND", value: (row) => row.kind },
      { title: "MISSING", value: (row) => row.missing.join(", ") },
      { title: "LAST SEEN", value: (row) => shortDistance(row.lastSeenAt, now) },
      { title: "WAITED FOR", value: (row) => (row.live ? "yes" : "no, it is away") },
    ],
    behind,
  );
}

function nextPhase(authority: Authority, now: Date): string {
  if (authority.phase === "standby") return "-";
  if (authority.phase === "rollback") return "standby, by itself, when nothing chains to the new root any more";
  const waiting = authority.waitingFor > 0 ? `when ${authority.waitingFor} have followed, ` : "";
  return `${waiting}at the earliest ${formatInstant(authority.nextPhaseAt, now)}`;
}

function issuingText({ issuingPrepareAt, issuingActivateAt }: Authority, now: Date): string {
  if (!issuingPrepareAt && !issuingActivateAt) return "-";
  const successor = `its successor issues from ${formatInstant(issuingActivateAt, now)}`;
  const made = issuingPrepareAt && new Date(issuingPrepareAt) > now;
  return made ? `${successor} and is made ${formatInstant(issuingPrepareAt, now)}` : successor;
}

const mostListed = 500;

function followersCount({ followers }: Authority): string {
  return followers.length >= mostListed ? `${mostListed} or more` : String(followers.length);
}
