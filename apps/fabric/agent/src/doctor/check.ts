import { DrawbridgeError } from "@drawbridge/errors";

/** One line of the report. */
export type Finding =
  | { readonly name: string; readonly status: "ok"; readonly detail: string }
  | { readonly name: string; readonly status: "skipped"; readonly detail: string }
  | { readonly name: string; readonly status: "failed"; readonly detail: string; readonly fix: string };

/** Run a check; what it throws becomes a finding with the fix for its code. */
export async function check(name: string, work: () => Promise<string>): Promise<Finding> {
  try {
    return { name, status: "ok", detail: await work() };
  } catch (error) {
    return failed(name, error);
  }
}

export function failed(name: string, error: unknown): Finding {
  if (!(error instanceof DrawbridgeError)) {
    const detail = error instanceof Error && error.message !== "" ? error.message : "failed for an unknown reason";
    return { name, status: "failed", detail, fix: "look at the detail; if it makes no sense, report it" };
  }
  const fix = Object.hasOwn(fixes, error.code) ? fixes[error.code] : undefined;
  return { name, status: "failed", detail: error.message, fix: fix ?? "see docs/errors.md, " + error.code };
}

const fixes: Readonly<Record<string, string>> = {
  AGENT_NOT_ACTIVATED:
    "drawbridge-agent activate --token-file <file>, or check before that with doctor --token-file <file>",
  AGENT_CERTIFICATE_NOT_VALID_NOW:
    "set the clock right; if the certificate really ended, a running agent recovers by itself: `drawbridge-agent recover` does it now and says what is in the way",
  ACTIVATION_TOKEN_EXPIRED: "drawbridge fabric token create <fabric>, on the control plane's side",
  ACTIVATION_TOKEN_MALFORMED: "copy the whole token again, as one line",
  DIAL_NAME_NOT_FOUND: "add the name to DNS or /etc/hosts, or correct the endpoint in the control plane",
  DIAL_REFUSED: "check that the control plane runs and that address and port are right",
  DIAL_TIMEOUT: "allow outgoing TCP to this address in the firewall, or set DRAWBRIDGE_HTTPS_PROXY",
  DIAL_FAILED: "check route and firewall to this address",
  PROXY_REFUSED: "allow CONNECT to this address in the proxy, and check its login",
  PIN_MISMATCH:
    "the token is of another control plane, or a TLS-inspecting proxy is in between: exempt this address from inspection",
  SERVER_NOT_TRUSTED:
    "exempt this address from TLS inspection; if the control plane was installed anew, activate again (--replace)",
  SERVER_IDENTITY_UNEXPECTED: "the address leads to another service: correct the endpoint in the control plane",
  SERVER_CERTIFICATE_NOT_VALID_NOW:
    "set the clock right (NTP); if it is right, the control plane must renew its certificate",
  TLS_HANDSHAKE_FAILED:
    "check that nothing in between speaks something other than TLS 1.3, and that the certificate is not revoked",
  TLS_CLIENT_REFUSED:
    "compare the clocks; if they agree, the agent recovers by itself, else an operator looks with drawbridge fabric recover <fabric>",
  AGENT_LOCKED:
    "stop the other copy of this agent, then let an operator run drawbridge fabric recover <fabric>, which says how it comes back",
  BOOT_SUPERSEDED: "stop the other process or machine that runs with a copy of this state folder",
  EPOCH_SUPERSEDED: "stop the other process or machine that runs with a copy of this state folder",
  ANALYTICS_ACCESS_UNAVAILABLE:
    "wait a minute; if it stays, an operator looks at runtime-manager and its setting of analytics",
  ANALYTICS_TOKEN_INVALID: "an operator checks that analytics-ingest and runtime-manager are of one control plane",
  ANALYTICS_TOKEN_EXPIRED:
    "compare the clocks of runtime-manager and analytics-ingest; the agent asks for another token by itself",
  TUNNEL_DOWN: "mend the tunnel first: access to analytics-ingest comes through it",
  CLOCK_SKEW: "set the clock right: timedatectl set-ntp true",
  STATE_FOLDER_UNUSABLE: "give the agent's user the folder: chown -R <user> <folder> && chmod 700 <folder>",
  APP_USER_INVALID: "correct DRAWBRIDGE_APP_USER: a user or a range of numbers that belong to nobody",
  APP_USER_NOT_ALLOWED:
    "run the agent as root with the capabilities that its README names, or leave DRAWBRIDGE_APP_USER out",
  CGROUP_UNUSABLE:
    "delegate a cgroup v2 folder to the agent (its README shows how), or leave DRAWBRIDGE_CGROUP_PARENT out",
  DISK_FULL: "free some space, or move the state folder with DRAWBRIDGE_STATE_DIR",
};
