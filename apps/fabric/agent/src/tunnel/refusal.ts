/**
 * Codes with which the control plane says that it does not want this agent at all. Apps go on; only a person can change it:
 * by a new activation, by an upgrade, or by taking the revocation back.
 */
const refusals: Readonly<Record<string, string>> = {
  AGENT_REVOKED: "this agent's certificate was revoked: activate the fabric again with a new token (--replace)",
  AGENT_UNKNOWN: "the control plane does not know this agent: activate the fabric again with a new token (--replace)",
  AGENT_SUPERSEDED:
    "another activation has taken this fabric over: activate again with a new token (--replace) if it is to be this one",
  AGENT_LOCKED:
    "this agent is locked because two copies of it were seen, or an older disk was put back: stop the copy, then let an operator run `drawbridge fabric recover <fabric>`, which says why and how it comes back",
  CERTIFICATE_REVOKED:
    "this agent's certificate was revoked: let an operator run `drawbridge fabric recover <fabric>`, or activate again with a new token (--replace)",
  FABRIC_DELETED: "this fabric was deleted in the control plane: its apps go on running until you stop them here",
  VERSION_INCOMPATIBLE: "the control plane does not speak this agent's protocol: install a matching agent",
};

/** What to tell people about a refusal; undefined when the code is not one and a retry makes sense. */
export function explainRefusal(code: string): string | undefined {
  return Object.hasOwn(refusals, code) ? refusals[code] : undefined;
}
