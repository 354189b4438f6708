import type { AlertRule } from "@drawbridge/alert-rules";
import {
  AlertServiceService,
  type AlertState as AlertStateNumber,
} from "@drawbridge/contracts/alerting/v1/alert_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { createReceiverTest } from "../delivery/test-receiver.ts";
import type { RuleBook } from "../rules/rule-book.ts";
import { mayTell } from "../rules/rule-file.ts";
import type { Alerts, AlertRow } from "../store/alerts.ts";
import type { RuleSets } from "../store/rule-sets.ts";
import type { Silences } from "../store/silences.ts";
import { assertEnvironment, rulesFromMessages, silenceFromMessage } from "./alert-input.ts";
import { alertStates, alertToMessage, receiverToMessage, ruleStatusOf, silenceToMessage } from "./alert-messages.ts";
import { ruleStandings, silencing } from "./rule-standings.ts";

const managementApi = [{ service: "management-api" }] as const;
const mostPerPage = 500;

/** What operators see and change. Who may, management-api has decided. */
export function createAlertRpc(deps: {
  readonly book: RuleBook;
  readonly ruleSets: RuleSets;
  readonly alerts: Alerts;
  readonly silences: Silences;
  readonly unknownFigure: (rule: AlertRule) => string | undefined;
  readonly clock: Clock;
  readonly ids: IdSource;
}): GrpcServiceDefinition {
  const { book, ruleSets, alerts, silences, unknownFigure, clock } = deps;
  const testReceiver = createReceiverTest(deps);

  /** What is shown of alerts beside their rows. */
  async function withSilences(page: readonly AlertRow[]) {
    const of = { now: clock.now(), which: "in force" } as const;
    const environments = [...new Set(page.map(({ environment }) => environment))];
    const found = await Promise.all(environments.map(async (name) => [name, await silences.list(name, of)] as const));
    const inForce = new Map(found);
    return ({ environment, rule, series, ended_at: endedAt }: AlertRow) =>
      endedAt === null ? silencing(inForce.get(environment) ?? [], rule, series) : "";
  }

  return defineGrpcService(AlertServiceService, {
    allow: {
      listRules: managementApi,
      applyRules: managementApi,
      listAlerts: managementApi,
      createSilence: managementApi,
      listSilences: managementApi,
      endSilence: managementApi,
      listReceivers: managementApi,
      testReceiver: managementApi,
    },
    handlers: {
      listRules: async ({ environment, rule }) => {
        assertEnvironment(environment);
        const { set, rules } = await ruleStandings(deps, environment, clock.now());
        const wanted = rules.filter(({ rule: { name } }) => rule === "" || name === rule);
        if (rule !== "" && wanted.length === 0) throw ruleNotFound(environment, rule);
        return {
          rules: wanted.map((standing) => ruleStatusOf(standing, rule === "" ? "summary" : "series")),
          version: set.version,
          appliedAt: set.applied?.at,
          appliedBy: set.applied?.by ?? "",
          fileProblem: book.problem(),
        };
      },

      applyRules: async ({ environment, rules: messages, baseVersion, dryRun, requestedBy: by }) => {
        const ofFile = book.rules();
        const rules = rulesFromMessages(messages, { environment, receivers: book.receivers(), ofFile, unknownFigure });
        const mode = dryRun ? "check" : "apply";
        const now = clock.now();
        const change = await ruleSets.apply({ environment, rules, baseVersion, mode, by, now, ofFile });
        const { version, added, changed, removed } = change;
        return { version, added: [...added], changed: [...changed], removed: [...removed] };
      },

      listAlerts: async ({ environments, states, rule, pageSize, pageToken }) => {
        if (environments.length === 0) return { alerts: [], nextPageToken: "" };
        const limit = Math.min(Math.max(pageSize, 1), mostPerPage);
        const rows = await alerts.list({
          environments,
          states: statesOf(states),
          rule: rule === "" ? undefined : rule,
          before: pageToken === "" ? undefined : assertPageToken(pageToken),
          limit,
        });
        const page = rows.slice(0, limit);
        const deliveries = await alerts.deliveries(page.map(({ incident_id: id }) => id));
        const silenceOf = await withSilences(page);
        return {
          alerts: page.map((row) =>
            alertToMessage(row, { deliveries: deliveries.get(row.incident_id) ?? [], silenceId: silenceOf(row) }),
          ),
          nextPageToken: rows.length > limit ? (page.at(-1)?.incident_id ?? "") : "",
        };
      },

      createSilence: async (request) => {
        const silence = silenceFromMessage(request, clock.now());
        const { environment, rule } = silence;
        if (rule !== "") {
          const { rules } = await ruleStandings(deps, environment, clock.now());
          if (!rules.some(({ rule: { name } }) => name === rule)) throw ruleNotFound(environment, rule);
        }
        return { silence: silenceToMessage(await silences.create(silence)) };
      },

      listSilences: async ({ environment, includeEnded }) => {
        const which = includeEnded ? "all" : "in force";
        const found = await silences.list(environment, { now: clock.now(), which });
        return { silences: found.map(silenceToMessage) };
      },

      endSilence: async ({ environment, silenceId, requestedBy: by }) => {
        const ended = await silences.end({ environment, silenceId }, { by, now: clock.now() });
        return { silence: silenceToMessage(ended) };
      },

      listReceivers: async ({ environment }) => {
        const receivers = book.receivers().filter((receiver) => mayTell(receiver, environment));
        return { receivers: receivers.map(receiverToMessage).toSorted((a, b) => a.name.localeCompare(b.name)) };
      },

      testReceiver: (test, { signal }) => testReceiver(test, signal),
    },
  });
}

/** What is asked for; what is open without any. */
function statesOf(numbers: readonly AlertStateNumber[]): readonly AlertRow["state"][] {
  const all = ["pending", "firing", "resolved", "withdrawn"] as const;
  const wanted = all.filter((state) => numbers.includes(alertStates[state]));
  return wanted.length === 0 ? ["pending", "firing"] : wanted;
}

function assertPageToken(token: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(token)) return token;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "PAGE_TOKEN_INVALID",
    message: "page_token is not the next_page_token of an earlier answer",
  });
}

function ruleNotFound(environment: string, rule: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "ALERT_RULE_NOT_FOUND",
    message: `there is no alert rule ${rule} in ${environment}`,
  });
}
