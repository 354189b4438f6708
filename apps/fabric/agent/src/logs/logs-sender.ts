import type { LogLine as ProtoLine } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { Clock } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import type { ClusterDriver, LogLine } from "../cluster/cluster-driver.ts";
import type { LogsOrder } from "../tunnel/tunnel-events.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";

/** Answers requests for logs, where the fabric's owner allows it. Logs are customer data and are never stored. */
export interface LogsSender {
  begin(order: LogsOrder, session: TunnelSession): void;
  cancel(correlationId: string): void;
  stop(): Promise<void>;
}

export interface LogsSenderOptions {
  readonly rule: "refused" | "allowed";
  readonly driver: Pick<ClusterDriver, "logs">;
  readonly isKnown: (appId: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const maxOrders = 16;
const maxTailLines = 10_000;
const maxLinesPerChunk = 200;
const maxCharactersPerChunk = 256 * 1024;
/** Lines that come together travel together. */
const settleMs = 50;

export function createLogsSender(options: LogsSenderOptions): LogsSender {
  const { driver, clock } = options;
  const logger = options.logger.child({ [field.component]: "logs" });
  const orders = new Map<string, { readonly controller: AbortController; readonly done: Promise<void> }>();

  function refuse(order: LogsOrder, session: TunnelSession, errorCode: string): void {
    const value = { lines: [], end: true, errorCode };
    session.send({ $case: "logsChunk", value }, { correlationId: order.correlationId });
  }

  async function serve(order: LogsOrder, session: TunnelSession, signal: AbortSignal): Promise<void> {
    const { appId, replicaId, follow, correlationId } = order;
    const request = {
      appId,
      tailLines: Math.min(order.tailLines, maxTailLines),
      follow,
      ...(replicaId === "" ? {} : { replicaId }),
    };
    const send = async (lines: readonly LogLine[], end: boolean): Promise<void> => {
      const value = { lines: lines.map(toProto), end, errorCode: "" };
      session.send({ $case: "logsChunk", value }, { correlationId });
      await session.drained(); // a slow reader slows the reading of files, not the tunnel
    };
    for await (const lines of inChunks(driver.logs(request, signal), clock, signal)) await send(lines, false);
    await send([], true);
  }

  return {
    begin(order, session) {
      if (options.rule === "refused") return refuse(order, session, "LOGS_NOT_ALLOWED");
      if (!options.isKnown(order.appId)) return refuse(order, session, "APP_NOT_FOUND");
      if (orders.size >= maxOrders || orders.has(order.correlationId)) return refuse(order, session, "LOGS_OVERLOADED");
      const controller = new AbortController();
      const release = session.occupy();
      void session.ended.then(() => controller.abort(new Error("the session has ended")));
      const done = serve(order, session, controller.signal)
        .catch((error: unknown) => {
          if (controller.signal.aborted) return;
          logger.warn({ err: error, [field.appId]: order.appId }, "logs cannot be sent");
          refuse(order, session, "LOGS_FAILED");
        })
        .finally(() => {
          orders.delete(order.correlationId);
          release();
        });
      orders.set(order.correlationId, { controller, done });
      logger.info({ [field.appId]: order.appId, follow: order.follow }, "sending logs");
    },
    cancel: (correlationId) => orders.get(correlationId)?.controller.abort(new Error("cancelled by the reader")),
    async stop() {
      const running = [...orders.values()];
      for (const { controller } of running) controller.abort(new Error("the agent is stopping"));
      await Promise.all(running.map(({ done }) => done));
    },
  };
}

/** Gather lines until a chunk is full or nothing more came for a moment. */
async function* inChunks(
  source: AsyncIterable<LogLine>,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): AsyncGenerator<readonly LogLine[]> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    let next = iterator.next();
    for (;;) {
      const first = await next;
      if (first.done) return;
      const lines = [first.value];
      let size = first.value.line.length;
      next = iterator.next();
      const pause = new AbortController();
      const settled = clock.sleep(settleMs, AbortSignal.any([signal, pause.signal])).then(
        () => undefined,
        () => undefined,
      );
      while (lines.length < maxLinesPerChunk && size < maxCharactersPerChunk) {
        const more = await Promise.race([next, settled]);
        if (more === undefined || more.done) break;
        lines.push(more.value);
        size += more.value.line.length;
        next = iterator.next();
      }
      pause.abort(new Error("chunk is full"));
      yield lines;
    }
  } finally {
    await iterator.return?.();
  }
}

function toProto({ replicaId, stream, line, at }: LogLine): ProtoLine {
  return { replicaId, stream, line, at };
}
