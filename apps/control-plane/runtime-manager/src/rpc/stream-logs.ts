import { once } from "node:events";
import type { AppServiceService } from "@drawbridge/contracts/runtime/v1/app_service";
import type { Bus } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import type { IdSource } from "@drawbridge/lifecycle";
import type { HandlerOf } from "@drawbridge/rpc";
import type { OwnerDirectory } from "../control/owner-directory.ts";
import { assertShortText } from "../domain/limits.ts";
import { fabricNotConnected, logsNotAllowed, type LogStream } from "../logs/log-stream.ts";
import type { LogsQuery, LogStreams } from "../logs/log-streams.ts";
import { openRemoteLogStream } from "../logs/remote-log-stream.ts";
import type { AppRepository } from "../store/apps.ts";
import type { FabricRepository } from "../store/fabrics.ts";
import { addressFromProto } from "./app-rpc.ts";

export type StreamLogsHandler = HandlerOf<(typeof AppServiceService)["streamLogs"]>;

export interface StreamLogsDeps {
  readonly apps: Pick<AppRepository, "get">;
  readonly fabrics: Pick<FabricRepository, "get">;
  readonly streams: LogStreams;
  readonly owners: Pick<OwnerDirectory, "find">;
  readonly bus: Pick<Bus, "respond" | "request">;
  readonly replica: string;
  readonly ids: IdSource;
}

const mostTailLines = 10_000;

/** Logs go from the tunnel to the caller, chunk by chunk, and are neither stored nor logged on the way (MGT 6). */
export function createStreamLogs(deps: StreamLogsDeps): StreamLogsHandler {
  async function open(query: LogsQuery): Promise<LogStream> {
    const correlationId = deps.ids.next();
    const here = deps.streams.open(correlationId, query);
    if (here) return here;
    const replica = await deps.owners.find(query.agentId);
    if (replica === "" || replica === deps.replica) throw fabricNotConnected();
    return openRemoteLogStream(deps.bus, { replica, correlationId, query });
  }

  return async (call, { signal }) => {
    const { request } = call;
    if (request.tailLines > mostTailLines) throw tooManyLines();
    assertShortText(request.replicaId, "replica_id");
    const address = addressFromProto(request.app);
    const { app } = await deps.apps.get(address);
    const { agent } = await deps.fabrics.get(address.org, app.fabricId);
    if (!agent) throw fabricNotConnected();
    if (!agent.cluster.logsAllowed) throw logsNotAllowed();
    const stream = await open({
      fabricId: app.fabricId,
      agentId: agent.agentId,
      appId: app.spec.appId,
      replicaId: request.replicaId,
      tailLines: request.tailLines,
      follow: request.follow,
    });
    const cancel = (): void => stream.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      while (!signal.aborted) {
        const chunk = await stream.next();
        if (!chunk) return;
        for (const line of chunk.lines) {
          if (!call.write(line) && !signal.aborted) await once(call, "drain", { signal });
        }
      }
    } finally {
      signal.removeEventListener("abort", cancel);
      stream.cancel();
    }
  };
}

function tooManyLines(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "TAIL_LINES_OUT_OF_RANGE",
    message: `tail_lines must be 0 to ${mostTailLines}`,
  });
}
