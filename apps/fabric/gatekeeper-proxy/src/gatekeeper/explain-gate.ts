import type { GateState } from "../gate/gate.ts";
import type { Resolution } from "../configuration/resolve-api.ts";
import type { SetProblem } from "../workers/protocol.ts";
import type { LinkState } from "../feed/link-session.ts";

/** Why a gate stands as it does, for the operator. */
export interface GateExplanation {
  /** Stable code; empty while live. */
  readonly reason: string;
  /** One sentence or two: what is missing or broken, which policy, how to mend it. No payload, no secret. */
  readonly message: string;
}

export interface ExplainFacts {
  readonly link: LinkState;
  readonly resolution: Resolution | { readonly resolved: "no_root" };
  readonly cached: "none" | "corrupt" | "too_old" | "set";
  readonly problems: (setId: string) => readonly SetProblem[];
  readonly apiName: string;
  readonly apiVersion: string;
  readonly environment: string;
}

const longestMessage = 1_000;

export function explainGate(gate: GateState, facts: ExplainFacts): GateExplanation {
  const { reason, message } = explain(gate, facts);
  return { reason, message: message.length > longestMessage ? `${message.slice(0, longestMessage - 3)}...` : message };
}

function explain(gate: GateState, facts: ExplainFacts): GateExplanation {
  switch (gate.state) {
    case "live":
      return { reason: "", message: "" };
    case "fetching":
      return missing(facts);
    case "applying":
      return { reason: "APPLYING", message: "The policies are complete and are being compiled." };
    case "policy_error":
      return broken(gate.setId, facts, "Requests are refused until it is corrected or removed.");
    case "degraded":
      return broken(gate.badSetId, facts, "The last complete set stays in force until it is corrected or removed.");
    case "offline":
      return offline(facts);
    case "unresolved":
      return {
        reason: "API_UNKNOWN",
        message:
          `There is no API ${facts.apiName} ${facts.apiVersion} in environment ${facts.environment}: ` +
          "create it, or take it out of the app's manifest.",
      };
    case "cached":
      return facts.link.state === "up"
        ? withNote(missing(facts), "The cached policies are enforced.")
        : { reason: "LINK_DOWN", message: `${linkSentence(facts.link)} The cached policies are enforced.` };
    case "stale":
      return facts.link.state === "up"
        ? withNote(missing(facts), "The earlier policies stay in force.")
        : { reason: "LINK_DOWN", message: `${linkSentence(facts.link)} What was last received stays in force.` };
    case "open":
      return withNote(
        isBroken(facts) ? brokenDesired(facts) : missing(facts),
        "At level disabled requests pass without policies.",
      );
  }
}

function missing({ link, resolution }: ExplainFacts): GateExplanation {
  if (link.state === "down") return { reason: "LINK_DOWN", message: linkSentence(link) };
  switch (resolution.resolved) {
    case "no_root":
      return {
        reason: "ROOT_MISSING",
        message:
          link.state === "up"
            ? "The agent is connected and has not received the fabric's configuration yet."
            : "Waiting for the agent.",
      };
    case "no_entry":
      return {
        reason: "OBJECTS_MISSING",
        message: "The control plane has not published anything for this binding yet.",
      };
    case "missing":
      return resolution.what === "contracts"
        ? {
            reason: "CONTRACTS_MISSING",
            message: `${pieces(resolution.digests.length)} of the contracts are still being fetched.`,
          }
        : {
            reason: "OBJECTS_MISSING",
            message: `${pieces(resolution.digests.length)} of the configuration are still being fetched.`,
          };
    case "absent":
      return { reason: "API_UNKNOWN", message: "There is no such API instance." };
    case "complete":
      return {
        reason: "ROOT_UNCONFIRMED",
        message: "Everything is here; the control plane has not confirmed yet that it is current.",
      };
  }
}

function offline(facts: ExplainFacts): GateExplanation {
  const cause = missing(facts);
  const cache = {
    none: "There are no cached policies.",
    corrupt: "The cached policies are corrupt and are not used.",
    too_old: "The cached policies are older than this gateway may use.",
    set: "At level strict cached policies do not open the gate.",
  }[facts.cached];
  return withNote(cause, cache);
}

function broken(setId: string, { problems }: ExplainFacts, consequence: string): GateExplanation {
  const found = problems(setId);
  const sentences = found.slice(0, 5).map(({ policyName, field, message }) => {
    const where = [
      policyName === "" ? "The API" : `Policy "${policyName}"`,
      field === "" ? "" : `, field ${field}`,
    ].join("");
    return `${where}: ${message}.`;
  });
  if (found.length > 5) sentences.push(`${found.length - 5} more problems.`);
  return { reason: "POLICY_INVALID", message: [...sentences, consequence].join(" ") };
}

function isBroken({ resolution, problems }: ExplainFacts): boolean {
  return resolution.resolved === "complete" && problems(resolution.set.setId).length > 0;
}

function brokenDesired(facts: ExplainFacts): GateExplanation {
  const { resolution } = facts;
  return resolution.resolved === "complete"
    ? broken(resolution.set.setId, facts, "It is not enforced.")
    : missing(facts);
}

function linkSentence({ reason, since }: LinkState): string {
  const why = reason === "" ? "" : ` (${reason})`;
  return `No connection to the control plane since ${since.toISOString()}${why}.`;
}

function withNote({ reason, message }: GateExplanation, note: string): GateExplanation {
  return { reason, message: `${message} ${note}` };
}

function pieces(count: number): string {
  return count === 1 ? "1 piece" : `${count} pieces`;
}
