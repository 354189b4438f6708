import type { StreamLogsResponse } from "@drawbridge/contracts/runtime/v1/app_service";
import { fromGrpcError } from "@drawbridge/rpc";
import { z } from "zod";
import { describePeerFailure } from "../../clients/peer.ts";
import { instantOrNull } from "../adapters/values.ts";
import { openLineStream } from "../line-stream.ts";
import { defineRoute, type Route } from "../route.ts";
import { logLineSchema } from "../schemas/app.ts";
import { flag, wholeNumber } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";
import { appParams, nameOf } from "./app-routes.ts";

/** Logs are customer data: they pass through, are never stored, and every look at them is recorded. */
export function appLogRoutes({ apps, environments, org, clock, stopping }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/environments/{environment}/apps/{name}/logs",
      action: "app.logs",
      summary: "Read the logs of an app as NDJSON",
      description:
        "Only where the fabric's owner allows it. One JSON document per line; a heartbeat comes when nothing else came for 15 s.",
      permission: { scope: "environment", role: "operator" },
      audit: "always",
      params: appParams,
      query: z.strictObject({
        tail: wholeNumber(0, 10_000, "Last lines per replica, 0 to 10000.").default(100),
        follow: flag("Go on with new lines."),
        replica: z
          .string()
          .max(100, "must have at most 100 characters")
          .default("")
          .meta({ description: "Only this replica." }),
      }),
      responses: { 200: { description: "Lines.", body: logLineSchema, lines: true } },
      errors: [
        "ENVIRONMENT_NOT_FOUND",
        "APP_NOT_FOUND",
        "LOGS_NOT_ALLOWED",
        "LOGS_BUSY",
        "LOGS_FAILED",
        "LOGS_OVERLOADED",
        "LOGS_TOO_SLOW",
        "FABRIC_NOT_CONNECTED",
        "PEER_UNAVAILABLE",
      ],
      handle: async ({ params, query, signal }) => {
        await environments.assertExist([params.environment]);
        const request = {
          app: nameOf(org, params),
          replicaId: query.replica,
          tailLines: query.tail,
          follow: query.follow,
        };
        const stream = await openLineStream({
          open: (ended) => {
            const call = apps.streamLogs(request, { signal: ended });
            call.on("error", () => undefined); // also after the iterator let go of it, when a cancelled call reports itself
            return call;
          },
          toLines: (line: StreamLogsResponse) => [lineOf(line)],
          describe: (error) => describePeerFailure("runtime-manager", fromGrpcError(error, "runtime-manager")),
          clock,
          signal: AbortSignal.any([signal, stopping]),
        });
        return { status: 200, stream };
      },
    }),
  ];
}

function lineOf({ replicaId, stream, line, at }: StreamLogsResponse): z.output<typeof logLineSchema> {
  return { type: "line", replicaId, stream, line, at: instantOrNull(at) };
}
