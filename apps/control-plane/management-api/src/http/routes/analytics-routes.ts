import { Readable } from "node:stream";
import {
  Bucket,
  type ExportResponse,
  type ListRequestsResponse,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import { fromGrpcError } from "@drawbridge/rpc";
import { z } from "zod";
import { describePeerFailure } from "../../clients/peer.ts";
import { analyticsToJson, requestLines } from "../adapters/analytics-json.ts";
import { buckets, dimensions, exportFormats, measures as measureNumbers } from "../adapters/analytics-names.ts";
import { analyticsOf } from "../analytics-of.ts";
import { describeQueryError, selectionOf } from "../analytics-question.ts";
import { openByteStream } from "../byte-stream.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { openLineStream } from "../line-stream.ts";
import { quietly } from "../quietly.ts";
import { defineRoute, type Route } from "../route.ts";
import {
  analyticsQuery,
  analyticsSchema,
  exportQuery,
  requestLineSchema,
  requestsQuery,
} from "../schemas/analytics.ts";
import { environmentName } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";

const params = z.strictObject({ environment: environmentName });
const viewer = { scope: "environment", role: "viewer" } as const;
/** Codes of everything that asks analytics-ingest. */
const errors = [
  "ENVIRONMENT_NOT_FOUND",
  "ANALYTICS_NOT_KEPT",
  "ANALYTICS_QUERY_INVALID",
  "COLUMNAR_QUERY_TIMEOUT",
  "COLUMNAR_QUERY_LIMIT",
  "COLUMNAR_OVERLOADED",
  "COLUMNAR_UNAVAILABLE",
  "COLUMNAR_FAILED",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];
/** A question may take ten seconds, and wait for others before. */
const questionTimeoutMs = 25_000;

/** Requests of an environment's APIs, as gateways told them: whoever may see its apps may ask. */
export function analyticsRoutes(services: RouteServices): readonly Route[] {
  const { environments, clock, stopping } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/analytics",
      action: "analytics.query",
      summary: "Ask for figures over requests, by date and dimension",
      permission: viewer,
      params,
      query: analyticsQuery,
      responses: { 200: { description: "The figures.", body: analyticsSchema } },
      errors,
      handle: async ({ params: { environment }, query, signal }) => {
        await environments.assertExist([environment]);
        const { timeZone, bucket, groupBy = [], measures: asked = [], limit } = query;
        const measures = asked.length === 0 ? (["requests"] as const) : asked;
        const selection = selectionOf(environment, query, clock.now());
        const request = {
          selection,
          timeZone,
          bucket: bucket === undefined ? Bucket.BUCKET_UNSPECIFIED : buckets[bucket],
          groupBy: groupBy.map((name) => dimensions[name]),
          measures: measures.map((name) => measureNumbers[name]),
          limit,
        };
        const options = { signal, idempotent: true, timeoutMs: questionTimeoutMs };
        const answer = await analyticsOf(services).query(request, options).catch(throwDescribed);
        const { from, to } = selection;
        return { status: 200, body: analyticsToJson({ from, to, timeZone, bucket, groupBy, measures }, answer) };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/analytics/requests",
      action: "analytics.requests",
      summary: "List single requests as NDJSON",
      description:
        "Newest first. With `follow` oldest first: those that are there, then those that come in within ten minutes after they were received; a heartbeat comes when nothing else came for 15 s. Every look is recorded.",
      permission: viewer,
      audit: "always",
      params,
      query: requestsQuery,
      responses: { 200: { description: "Requests.", body: requestLineSchema, lines: true } },
      errors,
      handle: async ({ params: { environment }, query, signal }) => {
        await environments.assertExist([environment]);
        const { listRequests } = analyticsOf(services);
        const { limit, follow } = query;
        const request = { selection: selectionOf(environment, query, clock.now()), limit, follow };
        if (follow) {
          const stream = await openLineStream({
            open: (ended) => quietly(listRequests(request, { signal: ended })),
            toLines: (message: ListRequestsResponse) => requestLines(message),
            describe,
            clock,
            signal: AbortSignal.any([signal, stopping]),
          });
          return { status: 200, stream };
        }
        const lines: string[] = [];
        try {
          const source: AsyncIterable<ListRequestsResponse> = quietly(
            listRequests(request, { signal, timeoutMs: questionTimeoutMs }),
          );
          for await (const message of source) {
            for (const line of requestLines(message)) lines.push(`${JSON.stringify(line)}\n`);
          }
        } catch (error) {
          throw describe(error);
        }
        return { status: 200, stream: Readable.from(lines, { objectMode: false }) };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/analytics/export",
      action: "analytics.export",
      summary: "Export single requests as a file",
      description:
        "In no order. A file that breaks off is not ended properly: the connection is cut. Every export is recorded.",
      permission: viewer,
      audit: "always",
      params,
      query: exportQuery,
      responses: {
        200: { description: "The file.", file: Object.values(exportFormats).map(({ mediaType }) => mediaType) },
      },
      errors,
      handle: async ({ params: { environment }, query, signal, note }) => {
        const { format, mediaType } = exportFormats[query.format];
        await environments.assertExist([environment]);
        const selection = selectionOf(environment, query, clock.now());
        note({ format: query.format, from: selection.from.toISOString(), to: selection.to.toISOString() });
        const call = analyticsOf(services).export;
        const stream = await openByteStream({
          open: (ended) => quietly(call({ selection, format }, { signal: ended })),
          bytesOf: ({ bytes }: ExportResponse) => bytes,
          describe,
          signal: AbortSignal.any([signal, stopping]),
        });
        const headers = { "content-disposition": `attachment; filename="requests-${environment}.${query.format}"` };
        return { status: 200, headers, stream, mediaType };
      },
    }),
  ];
}

function describe(error: unknown): unknown {
  const described = describePeerFailure("analytics-ingest", fromGrpcError(error, "analytics-ingest"));
  return describeQueryError(described);
}

function throwDescribed(error: unknown): never {
  throw describeQueryError(error);
}
