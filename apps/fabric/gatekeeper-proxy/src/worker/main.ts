// A thread of the gateway: node worker, started by the main thread with what `WorkerStart` says.
import { randomUUID } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { cryptoRandom, systemClock } from "@drawbridge/lifecycle";
import { openCounters } from "@drawbridge/policies";
import { createLogger } from "@drawbridge/telemetry";
import { AnalyticsBoard } from "../analytics/analytics-board.ts";
import { ThreadCount } from "../analytics/recorded-counts.ts";
import { InsightBoard } from "../insight/insight-board.ts";
import type { ToWorker, WorkerStart } from "../workers/protocol.ts";
import { DataPlane } from "./data-plane.ts";
import { createRequestIds } from "./exchange/request-ids.ts";
import { createPolicyServices } from "./policy/policy-services.ts";
import { defaultSettings } from "./settings.ts";

// The main thread's worker pool gives it.
const start = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error("this is a thread of the gateway, not a program");

const logger = createLogger({ service: "gatekeeper-proxy", ...start.log }).child({ worker: start.workerIndex });
const clock = systemClock;
const counters = openCounters(start.counters, () => clock.now().getTime());
const { recordedCounts: fd, workerIndex: thread } = start;
const plane = new DataPlane({
  settings: { ...defaultSettings, ...start.settings },
  clock,
  ids: createRequestIds(randomUUID),
  services: createPolicyServices({
    clock,
    random: cryptoRandom,
    counters,
    trustedModuleKeys: start.trustedModuleKeys ?? [],
    logger,
  }),
  analytics: start.analytics && new AnalyticsBoard(start.analytics),
  threadCount: fd === undefined ? undefined : new ThreadCount({ fd, thread, nowMs: clock.now().getTime() }),
  insight: start.insight && {
    worker: start.workerIndex,
    board: new InsightBoard(start.insight),
    random: cryptoRandom,
  },
  send: (message, transfer = []) => port.postMessage(message, [...transfer]),
  onFault: (error) => logger.error({ err: error }, "a request could not be handled"),
});
const running = new AbortController();
void plane.run(running.signal);
port.on("message", (message: ToWorker) => {
  plane.handle(message).catch((error: unknown) => logger.error({ err: error }, "a change could not be applied"));
});
port.postMessage({ type: "started" });
