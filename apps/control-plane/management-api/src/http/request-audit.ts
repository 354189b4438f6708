import { field, type Logger } from "@drawbridge/telemetry";
import type { AuditSubject, AuditTrail, OpenIntent } from "../audit/audit-trail.ts";
import type { AuditResult } from "../domain/audit-record.ts";
import type { RequestState } from "./request-state.ts";

/** Writes the audit record of a request: one for every write, every refusal, and every read that asks for it. */
export interface RequestAudit {
  /** Store the intent of a write before it is done; fails when it cannot be stored, and the write with it. */
  begin(state: RequestState): Promise<void>;
  /** Store the outcome before the answer leaves. Runs once per request. */
  conclude(state: RequestState, statusCode: number, payload: unknown): Promise<void>;
}

const anonymous = "anonymous";

export function createRequestAudit(deps: { readonly trail: AuditTrail; readonly logger: Logger }): RequestAudit {
  const { trail, logger } = deps;
  const intents = new WeakMap<RequestState, OpenIntent>();
  const concluded = new WeakSet<RequestState>();

  function subjectOf(state: RequestState): AuditSubject {
    const { caller, route } = state;
    return {
      requestId: state.requestId,
      actor: caller?.username ?? anonymous,
      address: state.address,
      action: route.action,
      target: state.target,
      details: { ...state.facts, ...(caller ? { tokenId: caller.token.id } : {}) },
    };
  }

  return {
    begin: async (state) => {
      // A login has no caller yet: its record is written when it is over, and nobody has the session before that.
      if (state.route.audit !== "always" || !state.caller) return;
      intents.set(state, await trail.begin(subjectOf(state)));
    },

    conclude: async (state, statusCode, payload) => {
      if (concluded.has(state)) return;
      concluded.add(state);
      const outcome = {
        result: resultOf(statusCode),
        statusCode,
        errorCode: codeOf(statusCode, payload),
        details: state.facts,
      };
      const intent = intents.get(state);
      try {
        if (intent) await trail.complete(intent, outcome);
        else if (needsRecord(state, statusCode)) await trail.record({ ...subjectOf(state), ...outcome });
      } catch (error) {
        // With an intent the sweeper makes up for it; a refusal stays a refusal. What was granted without a record is taken back.
        logger.error(
          { err: error, [field.requestId]: state.requestId, [field.method]: state.route.action },
          "audit record was not written",
        );
        if (!intent && outcome.result === "success") throw error;
      }
    },
  };
}

/** 429 is counted by the metrics and not recorded: a flood must not fill the log that should tell of it. */
function needsRecord(state: RequestState, statusCode: number): boolean {
  if (statusCode === 429) return false;
  return state.route.audit === "always" || statusCode === 401 || statusCode === 403;
}

function resultOf(statusCode: number): AuditResult {
  if (statusCode < 400) return "success";
  return statusCode === 401 || statusCode === 403 ? "refused" : "failed";
}

function codeOf(statusCode: number, payload: unknown): string {
  if (statusCode < 400 || typeof payload !== "string") return "";
  const problem: unknown = JSON.parse(payload);
  return typeof problem === "object" && problem !== null && "code" in problem ? String(problem.code) : "";
}
