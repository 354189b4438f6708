import type { CaptureRecord } from "@drawbridge/contracts/apis/v1/capture_service";
import type { ListExchangesResponse } from "@drawbridge/contracts/insight/v1/insight_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { fromGrpcError } from "@drawbridge/rpc";
import type { z } from "zod";
import { describePeerFailure } from "../../clients/peer.ts";
import { factsInParts } from "../../domain/clean-entry.ts";
import { captureFromJson, captureToJson, exchangeLines, takenToJson } from "../adapters/capture-json.ts";
import { apiManagerOf } from "../api-manager-of.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { insightOf } from "../insight-of.ts";
import { openLineStream } from "../line-stream.ts";
import { quietly } from "../quietly.ts";
import { defineRoute, type Route } from "../route.ts";
import { apiParams, apiPath } from "../schemas/api.ts";
import {
  captureBody,
  captureListQuery,
  captureParams,
  captureSchema,
  exchangeLineSchema,
  exchangesQuery,
  shownCaptureSchema,
  startedCaptureSchema,
} from "../schemas/capture.ts";
import { listOf } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";
import { visibleEnvironments } from "../visible-environments.ts";
import { apiKeyOf } from "./api-routes.ts";

const viewer = { scope: "environment", role: "viewer" } as const;
const operator = { scope: "environment", role: "operator" } as const;
const path = "/v1/environments/{environment}/captures/{id}";
const captureErrors = [
  "ENVIRONMENT_NOT_FOUND",
  "CAPTURE_NOT_FOUND",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];
const storeErrors = [
  "COLUMNAR_QUERY_TIMEOUT",
  "COLUMNAR_QUERY_LIMIT",
  "COLUMNAR_OVERLOADED",
  "COLUMNAR_UNAVAILABLE",
  "COLUMNAR_FAILED",
] as const satisfies readonly ErrorCode[];
const questionTimeoutMs = 25_000;

const ownersWord =
  "only gateways of fabrics whose owner allows it follow a capture (DRAWBRIDGE_ALLOW_INSIGHT of the agent, off by default); the control plane is not told which do: where nothing comes, ask the owner";

/** Captures of exchanges, an advanced capability that a fabric's owner has to allow (META 4). */
export function captureRoutes(services: RouteServices): readonly Route[] {
  return [...orderRoutes(services), ...readRoutes(services)];
}

function orderRoutes(services: RouteServices): readonly Route[] {
  const { environments, org } = services;
  return [
    defineRoute({
      method: "POST",
      path: `${apiPath}/captures`,
      action: "capture.start",
      summary: "Capture some exchanges of an API for a time",
      description:
        "Requests and answers leave the fabric masked: their shape, and the values at the paths that are revealed. Recorded with every path.",
      permission: operator,
      params: apiParams,
      body: captureBody,
      responses: { 201: { description: "It runs.", body: startedCaptureSchema } },
      errors: [
        "ENVIRONMENT_NOT_FOUND",
        "API_NOT_FOUND",
        "ANALYTICS_NOT_KEPT",
        "CAPTURE_INVALID",
        "CAPTURES_TOO_MANY",
        "REQUEST_ID_REUSED",
        "PEER_UNAVAILABLE",
      ],
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        note(factsOf(body));
        await environments.assertExist([params.environment]);
        insightOf(services);
        const who = { requestId, org, requestedBy: caller.username };
        const request = { ...who, api: apiKeyOf(params), ...captureFromJson(body) };
        const answer = await apiManagerOf(services).captures.startCapture(request, { signal, idempotent: true });
        const capture = captureToJson(answer.capture);
        note({ captureId: capture.captureId, endsAt: capture.endsAt });
        const warnings = [...answer.warnings, ownersWord];
        return { status: 201, body: { ...capture, fabrics: answer.fabricIds, warnings } };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${path}/stop`,
      action: "capture.stop",
      summary: "Stop a capture; what it took stays as long as it is kept",
      permission: operator,
      params: captureParams,
      responses: { 200: { description: "It is over.", body: captureSchema } },
      errors: [...captureErrors, "REQUEST_ID_REUSED"],
      handle: async ({ params: { environment, id }, caller, requestId, signal }) => {
        await findCapture(services, { environment, id, signal });
        const request = { requestId, org, requestedBy: caller.username, captureId: id };
        const { capture } = await apiManagerOf(services).captures.stopCapture(request, { signal, idempotent: true });
        return { status: 200, body: captureToJson(capture) };
      },
    }),
  ];
}

function readRoutes(services: RouteServices): readonly Route[] {
  const { environments, org, clock, stopping } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/v1/captures",
      action: "capture.list",
      summary: "List captures, newest first",
      description: "Those of the environments in which the caller has a role.",
      permission: { scope: "any-environment", role: "viewer" },
      query: captureListQuery,
      responses: { 200: { description: "Captures.", body: listOf(captureSchema, "A page of captures.") } },
      errors: ["ENVIRONMENT_NOT_FOUND", "PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, caller, signal }) => {
        const asked = await visibleEnvironments(environments, caller, query.environment);
        if (asked.length === 0) return { status: 200, body: { items: [], nextPageToken: "" } };
        const { running: isRunning, limit, pageToken } = query;
        const page = await apiManagerOf(services).captures.listCaptures(
          { org, environments: [...asked], isRunning, pageSize: limit, pageToken },
          { signal, idempotent: true },
        );
        return { status: 200, body: { items: page.captures.map(captureToJson), nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "GET",
      path,
      action: "capture.show",
      summary: "Show a capture, and how much it took",
      permission: viewer,
      params: captureParams,
      responses: { 200: { description: "The capture.", body: shownCaptureSchema } },
      errors: [...captureErrors, ...storeErrors],
      handle: async ({ params: { environment, id }, signal }) => {
        const capture = captureToJson(await findCapture(services, { environment, id, signal }));
        if (services.insight === undefined) return { status: 200, body: { ...capture, taken: null } };
        const request = { environment, captureIds: [id] };
        const answer = await services.insight.getCaptureFigures(request, { signal, idempotent: true });
        return { status: 200, body: { ...capture, taken: takenToJson(answer.figures[0], answer.retentionDays) } };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/exchanges`,
      action: "capture.exchanges",
      summary: "Read what a capture took as NDJSON",
      description:
        "Newest first. With `follow` oldest first: those that are there, then those that come in; a heartbeat comes when nothing else came for 15 s. Every look is recorded.",
      permission: operator,
      audit: "always",
      params: captureParams,
      query: exchangesQuery,
      responses: { 200: { description: "Exchanges.", body: exchangeLineSchema, lines: true } },
      errors: [...captureErrors, "ANALYTICS_NOT_KEPT", ...storeErrors],
      handle: async ({ params: { environment, id }, query: { limit, follow }, signal, note }) => {
        note({ limit: String(limit), follow: String(follow) });
        const { listExchanges } = insightOf(services);
        await findCapture(services, { environment, id, signal });
        const request = { environment, captureId: id, limit, follow };
        const open = (ended: AbortSignal): AsyncIterable<ListExchangesResponse> =>
          quietly(listExchanges(request, follow ? { signal: ended } : { signal: ended, timeoutMs: questionTimeoutMs }));
        const stream = await openLineStream({
          open,
          toLines: exchangeLines,
          describe,
          clock,
          signal: AbortSignal.any([signal, stopping]),
        });
        return { status: 200, stream };
      },
    }),
  ];
}

/** What was asked for, each path: who had what revealed is a question for the audit. */
function factsOf(body: z.output<typeof captureBody>): Readonly<Record<string, string>> {
  const { durationSeconds, samplePercent, where, parts, reveal, redact, exchangesPerSecond, limit } = body;
  return {
    durationSeconds: String(durationSeconds),
    samplePercent: String(samplePercent),
    ...factsInParts("where", Array.from(JSON.stringify(where)), { separator: "" }),
    parts: parts.join(" "),
    ...factsInParts("reveal", reveal, { separator: " " }),
    ...factsInParts("redact", redact, { separator: " " }),
    exchangesPerSecond: String(exchangesPerSecond),
    limit: String(limit),
  };
}

/** Of another environment is as good as not there. */
async function findCapture(
  services: RouteServices,
  asked: { readonly environment: string; readonly id: string; readonly signal: AbortSignal },
): Promise<CaptureRecord> {
  const { environment, id: captureId, signal } = asked;
  const { environments, org } = services;
  await environments.assertExist([environment]);
  const call = apiManagerOf(services).captures.getCapture;
  const { capture } = await call({ org, captureId }, { signal, idempotent: true });
  if (capture?.api?.environment === environment) return capture;
  throw new DrawbridgeError({
    kind: "not_found",
    code: "CAPTURE_NOT_FOUND",
    message: "there is no capture with this id in this environment",
  });
}

function describe(error: unknown): unknown {
  return describePeerFailure("analytics-ingest", fromGrpcError(error, "analytics-ingest"));
}
