import { z } from "zod";
import { alertToJson, askedStates, silenceToJson, textOrNull } from "../adapters/alert-json.ts";
import { alertingOf } from "../alerting-of.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { cursorFrom } from "../page.ts";
import { defineRoute, type Route } from "../route.ts";
import {
  alertList,
  alertsQuery,
  receiverList,
  receiverTestSchema,
  silenceBody,
  silenceList,
  silenceSchema,
  silencesQuery,
} from "../schemas/alert.ts";
import { environmentName, nameText, uuid } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";
import { visibleEnvironments } from "../visible-environments.ts";

const inEnvironment = z.strictObject({ environment: environmentName });
const ofSilence = z.strictObject({ environment: environmentName, id: uuid("Id of a silence.") });
const ofReceiver = z.strictObject({ environment: environmentName, name: nameText("Name of a receiver.") });
const viewer = { scope: "environment", role: "viewer" } as const;
const operator = { scope: "environment", role: "operator" } as const;
const errors = [
  "ENVIRONMENT_NOT_FOUND",
  "ALERTS_NOT_INSTALLED",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];
const incidentId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A receiver has ten seconds for its answer. */
const testTimeoutMs = 20_000;

/** What fires and fired, who is told, and who is not to be for a while. */
export function alertRoutes(services: RouteServices): readonly Route[] {
  const { environments, clock } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/v1/alerts",
      action: "alert.list",
      summary: "List what is, or was, beyond the bound of a rule",
      permission: { scope: "any-environment", role: "viewer" },
      query: alertsQuery,
      responses: { 200: { description: "Alerts, newest first.", body: alertList } },
      errors,
      handle: async ({ query, caller, signal }) => {
        const { environment, rule = "", state, limit, pageToken } = query;
        const cursor = cursorFrom(pageToken, incidentId) ?? "";
        const visible = await visibleEnvironments(environments, caller, environment);
        const { listAlerts } = alertingOf(services);
        const asked = { environments: [...visible], states: [...askedStates[state]], rule };
        const page = await listAlerts({ ...asked, pageSize: limit, pageToken: cursor }, { signal, idempotent: true });
        const nextPageToken = Buffer.from(page.nextPageToken, "utf8").toString("base64url");
        return { status: 200, body: { items: page.alerts.map(alertToJson), nextPageToken } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/alert-silences",
      action: "alert-silence.list",
      summary: "List silences of an environment",
      permission: viewer,
      params: inEnvironment,
      query: silencesQuery,
      responses: { 200: { description: "Silences, newest first, 500 at most.", body: silenceList } },
      errors,
      handle: async ({ params: { environment }, query, signal }) => {
        await environments.assertExist([environment]);
        const request = { environment, includeEnded: query.ended };
        const { silences } = await alertingOf(services).listSilences(request, { signal, idempotent: true });
        return { status: 200, body: { items: silences.map(silenceToJson), nextPageToken: "" } };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/environments/{environment}/alert-silences",
      action: "alert-silence.create",
      summary: "Tell nobody of some alerts for a while",
      description:
        "Alerts are shown as before. What still fires when the silence is over is told then; who was told that something fires is told that it is over.",
      permission: operator,
      params: inEnvironment,
      body: silenceBody,
      responses: { 201: { description: "The silence.", body: silenceSchema } },
      errors: [
        ...errors,
        "ALERT_RULE_NOT_FOUND",
        "ALERT_RULES_UNREADABLE",
        "ALERT_SILENCE_INVALID",
        "ALERT_SILENCES_MANY",
      ],
      handle: async ({ params: { environment }, body, caller, requestId, signal, note }) => {
        const { rule = "", series = "", durationSeconds, reason } = body;
        const until = new Date(clock.now().getTime() + durationSeconds * 1_000);
        note({ rule: rule || "every rule", ...(series && { series }), until: until.toISOString(), reason });
        await environments.assertExist([environment]);
        const request = { requestId, environment, rule, series, until, reason, requestedBy: caller.username };
        const { silence } = await alertingOf(services).createSilence(request, { signal, idempotent: true });
        return { status: 201, body: silenceToJson(silence) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/v1/environments/{environment}/alert-silences/{id}",
      action: "alert-silence.end",
      summary: "End a silence",
      permission: operator,
      params: ofSilence,
      responses: { 200: { description: "The silence as it is now.", body: silenceSchema } },
      errors: [...errors, "ALERT_SILENCE_NOT_FOUND"],
      handle: async ({ params: { environment, id: silenceId }, caller, signal }) => {
        await environments.assertExist([environment]);
        const request = { environment, silenceId, requestedBy: caller.username };
        const { silence } = await alertingOf(services).endSilence(request, { signal, idempotent: true });
        return { status: 200, body: silenceToJson(silence) };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/alert-receivers",
      action: "alert-receiver.list",
      summary: "List whom rules of an environment may have told",
      permission: viewer,
      params: inEnvironment,
      responses: { 200: { description: "Receivers, by name.", body: receiverList } },
      errors,
      handle: async ({ params: { environment }, signal }) => {
        await environments.assertExist([environment]);
        const { receivers } = await alertingOf(services).listReceivers({ environment }, { signal, idempotent: true });
        const items = receivers.map(({ name, kind, target }) => {
          return { name, kind: kind === "email" ? ("email" as const) : ("webhook" as const), target };
        });
        return { status: 200, body: { items, nextPageToken: "" } };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/environments/{environment}/alert-receivers/{name}/test",
      action: "alert-receiver.test",
      summary: "Send a receiver a test notification and say what came back",
      permission: operator,
      params: ofReceiver,
      responses: { 200: { description: "What came of it.", body: receiverTestSchema } },
      errors: [...errors, "ALERT_RECEIVER_NOT_FOUND", "ALERT_RECEIVER_BUSY"],
      handle: async ({ params: { environment, name: receiver }, caller, signal }) => {
        await environments.assertExist([environment]);
        const request = { environment, receiver, requestedBy: caller.username };
        const answer = await alertingOf(services).testReceiver(request, { signal, timeoutMs: testTimeoutMs });
        const { isDelivered: delivered, problem, tookMs } = answer;
        return { status: 200, body: { receiver, delivered, problem: textOrNull(problem), tookMs } };
      },
    }),
  ];
}
