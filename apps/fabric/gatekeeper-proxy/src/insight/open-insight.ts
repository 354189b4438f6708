import { extname } from "node:path";
import type { Capture } from "@drawbridge/contracts/apis/v1/capture";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { GatekeeperProxyConfig } from "../config.ts";
import { CaptureGuard } from "./capture-guard.ts";
import { readCapture } from "./capture-order.ts";
import { InsightBoard } from "./insight-board.ts";
import { insightPermission, mayCapture, type InsightPermission } from "./insight-permission.ts";
import type { CopiedExchange, InsightAccess, InsightStatus, LostExchanges } from "./insight-protocol.ts";
import { createInsightThread } from "./insight-thread.ts";
import { SentCounts, type SentExchanges } from "./sent-counts.ts";
import { accessAnswer } from "../analytics/sender/access-answer.ts";

/** A capture that a document in force orders. */
export interface OrderedCapture {
  readonly environment: string;
  readonly api: string;
  readonly version: string;
  readonly capture: Capture;
}

interface CaptureView {
  readonly captureId: string;
  readonly environment: string;
  readonly api: string;
  readonly version: string;
  /** "refused": the fabric's owner has not allowed it. */
  readonly state: "followed" | "refused" | "over" | "unreadable";
  readonly expiresAt: string;
  readonly taken: number;
}

/** What `GET /gatekeeper` says of captured exchanges. */
export interface InsightView {
  readonly allowed: InsightPermission;
  readonly captures: readonly CaptureView[];
  readonly sentExchanges: number;
  readonly sentBytes: number;
  readonly lost: InsightStatus["lost"];
  readonly trouble: InsightStatus["trouble"];
}

export interface Insight extends Component {
  /** In the memory that all threads share. */
  readonly memory: SharedArrayBuffer;
  readonly permission: InsightPermission;
  /** What a worker tells. */
  readonly receive: (worker: number, message: CopiedExchange | LostExchanges) => void;
  readonly workerGone: (worker: number) => void;
  readonly trustChanged: (bundle: TrustBundle) => void;
  readonly view: () => InsightView;
}

interface InsightDeps {
  readonly config: Pick<
    GatekeeperProxyConfig,
    "ALLOW_INSIGHT" | "GATEWAY_ID" | "INSIGHT_ENVIRONMENTS" | "INSIGHT_REDACT" | "LOG_FORMAT" | "LOG_LEVEL"
  >;
  readonly workers: number;
  /** Of all documents in force. */
  readonly captures: () => readonly OrderedCapture[];
  readonly trustBundle: () => TrustBundle | undefined;
  readonly getAccess: (refusedToken: string) => Promise<InsightAccess>;
  /** Tell the agent what was sent. */
  readonly reportSent: (sent: SentExchanges) => Promise<void>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

const reviewEveryMs = 1_000;
const deliverWithinMs = 2_000;
const states = ["followed", "refused", "over", "unreadable"] as const;

/**
 * exchanges that workers copied -> limits of their captures -> masked and sent by a thread of its own. Without the permission of
 * the fabric's owner workers copy nothing, and what came all the same would end here.
 */
export function openInsight(deps: InsightDeps): Insight {
  const { config, clock, logger } = deps;
  const permission = insightPermission(config);
  const board = new InsightBoard(deps.workers);
  /** Of the whole gateway; workers have one each, for what they copy. */
  const guard = new CaptureGuard();
  const sent = new SentCounts();
  let status: InsightStatus | undefined;
  let refusals: ReadonlySet<string> = new Set();
  const now = (): { wallMs: number; monotonicMs: number } => ({
    wallMs: clock.now().getTime(),
    monotonicMs: clock.monotonicMs(),
  });
  const thread = createInsightThread({
    entry: new URL(`./insight-main${extname(import.meta.filename)}`, import.meta.url),
    start: {
      gatewayId: config.GATEWAY_ID,
      redact: config.INSIGHT_REDACT ?? [],
      log: { level: config.LOG_LEVEL, format: config.LOG_FORMAT },
    },
    clock,
    logger,
    onBorn: () => {
      sent.threadBegins();
      const bundle = deps.trustBundle();
      if (bundle !== undefined) thread.post({ type: "trust", bundle });
    },
    onTaken: (worker, bytes) => board.release(worker, bytes),
    onMessage: (message) => {
      switch (message.type) {
        case "access_wanted":
          return void answerAccess(message.refusedToken);
        case "full":
          return message.captureIds.forEach((captureId) => guard.end(captureId));
        case "status":
          status = message.status;
          return sent.changed(message.status);
      }
    },
  });

  async function answerAccess(refusedToken: string): Promise<void> {
    thread.post({ type: "access", access: await accessAnswer(deps.getAccess(refusedToken)) });
  }

  function receiveExchange(worker: number, exchange: CopiedExchange): void {
    const outcomes = exchange.orders.map((order) => {
      const mayLeave = mayCapture(permission, exchange.api.environment);
      return { order, outcome: mayLeave ? guard.take(order, now()) : "over" };
    });
    const losses = outcomes.flatMap(({ order: { captureId }, outcome }) =>
      outcome === "too_many" ? [{ captureId, reason: "rate", exchanges: 1 } as const] : [],
    );
    if (losses.length > 0) thread.lose(losses);
    const orders = outcomes.flatMap(({ order, outcome }) => (outcome === "taken" ? [order] : []));
    if (orders.length > 0) thread.mask(worker, { ...exchange, orders });
    else board.release(worker, exchange.heldBytes);
  }

  function viewCaptures(): readonly CaptureView[] {
    return deps.captures().map(({ environment, api, version, capture }) => {
      const { captureId, expiresAt } = capture;
      const order = readCapture(capture);
      const isFollowed = order !== undefined && guard.isOpen(order, now());
      const state = !mayCapture(permission, environment)
        ? "refused"
        : order === undefined
          ? "unreadable"
          : isFollowed
            ? "followed"
            : "over";
      const taken = guard.taken(captureId);
      return { captureId, environment, api, version, state, expiresAt: expiresAt?.toISOString() ?? "", taken };
    });
  }

  /** Once for each. */
  function logRefusals(): void {
    const refused = viewCaptures().filter(({ state }) => state === "refused" || state === "unreadable");
    for (const { captureId, environment, api, version, state } of refused) {
      if (refusals.has(captureId)) continue;
      const facts = { capture_id: captureId, environment, api, version };
      if (state === "unreadable")
        logger.warn(facts, "a capture cannot be followed: this gateway may be too old for it");
      else logger.warn(facts, "a capture is refused: the fabric's owner has not allowed it");
    }
    refusals = new Set(refused.map(({ captureId }) => captureId));
  }

  const reviewing = createLoop({
    name: "insight",
    clock,
    intervalMs: reviewEveryMs,
    pass: async () => {
      logRefusals();
      await sent.tell(deps.reportSent);
    },
    onError: (error) =>
      logger.warn({ err: error }, "the agent cannot be told what was captured and sent: it is told later"),
  });

  deps.metrics.gauge("insight_captures", { description: "captures that documents in force order, by state" }, () => {
    const views = viewCaptures();
    return states.map((state) => [views.filter((view) => view.state === state).length, { state }]);
  });
  deps.metrics.gauge("insight_held_bytes", { description: "exchanges that are not masked yet" }, () => board.heldBytes);
  deps.metrics.gauge(
    "insight_sent_exchanges",
    { description: "captured exchanges that were sent" },
    () => sent.exchanges,
  );
  deps.metrics.gauge("insight_sent_bytes", { description: "bytes that they took" }, () => sent.bytes);

  return {
    name: "insight",
    memory: board.memory,
    permission,
    receive: (worker, message) => {
      if (message.type === "exchange") receiveExchange(worker, message);
      else thread.lose(message.losses);
    },
    workerGone: (worker) => board.workerGone(worker),
    trustChanged: (bundle) => thread.post({ type: "trust", bundle }),
    view: () => ({
      allowed: permission,
      captures: viewCaptures(),
      sentExchanges: sent.exchanges,
      sentBytes: sent.bytes,
      lost: status?.lost ?? {},
      trouble: status?.trouble,
    }),
    start: (signal) => reviewing.start(signal),
    stop: async (deadline) => {
      await thread.stop(deliverWithinMs, deadline);
      await sent.tell(deps.reportSent).catch(() => undefined); // the agent is gone, or another version
      await reviewing.stop(deadline);
    },
  };
}
