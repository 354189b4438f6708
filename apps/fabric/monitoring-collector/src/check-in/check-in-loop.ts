import { isDrawbridgeError, toError } from "@drawbridge/errors";
import { fullJitterDelayMs, type Clock, type Component, type Random } from "@drawbridge/lifecycle";
import { field, withSpan, type Logger } from "@drawbridge/telemetry";
import type { ClockSkew } from "../clock/clock-skew.ts";
import type { CollectorMetrics } from "../collector-metrics.ts";
import type { CredentialWatch } from "../credentials/credential-watch.ts";
import type { Credentials } from "../credentials/read-credentials.ts";
import type { CheckInAnswer } from "./check-in-message.ts";
import { connectReason, resultOf, type ConnectReason } from "./check-in-result.ts";
import type { IngestConnection } from "./ingest-connection.ts";

/** Invariants: one check-in at a time; the connection in use is given up only after another one has had an answer, or when it is gone. */
export interface CheckInLoop extends Component {
  /** Of the last check-in that was answered, by the monotonic clock. */
  lastAnswerMs(): number | undefined;
  /** Why the last check-in failed; undefined if it did not. */
  failure(): string | undefined;
  /** The connection in use; undefined while there is none. */
  connection(): IngestConnection | undefined;
  /** Resolves when there is one. */
  whenConnected(signal: AbortSignal): Promise<void>;
  /** The connection in use broke under somebody else: open another now. */
  reconnect(): void;
}

export interface CheckInLoopDeps {
  readonly credentials: Pick<CredentialWatch, "current" | "onChange">;
  readonly open: (credentials: Credentials) => IngestConnection;
  readonly message: { readonly version: string; readonly bootId: string };
  readonly skew: ClockSkew;
  readonly metrics: CollectorMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Design R13. */
const backoff = { baseMs: 1_000, capMs: 60_000, floorMs: 250 };
/** Without credentials there is nothing to do until somebody wakes us. */
const idleMs = 60_000;

export function createCheckInLoop(deps: CheckInLoopDeps): CheckInLoop {
  const { credentials, skew, metrics, clock, random } = deps;
  const logger = deps.logger.child({ [field.component]: "check-in" });
  const stopping = new AbortController();
  let wake = new AbortController();
  let active: IngestConnection | undefined;
  let connected = Promise.withResolvers<void>();
  /** Of the last connection that there was. */
  let lastUsed: Credentials | undefined;
  let lastAnswerMs: number | undefined;
  let intervalMs = backoff.baseMs;
  let failures = 0;
  let failure: string | undefined;
  let changeover = { failures: 0, notBeforeMs: 0 };
  let running: Promise<void> = Promise.resolve();

  credentials.onChange(() => {
    changeover = { failures: 0, notBeforeMs: 0 };
    wake.abort();
  });

  async function checkIn(connection: IngestConnection): Promise<CheckInAnswer> {
    const sentAt = clock.now();
    const message = { ...deps.message, time: sentAt.toISOString() };
    try {
      const answer = await withSpan("check-in", {}, () => connection.checkIn(message, stopping.signal), {
        kind: "client",
      });
      skew.observe({ serverTime: answer.serverTime, sentAt, receivedAt: clock.now() });
      metrics.checkedIn("ok");
      return answer;
    } catch (error) {
      if (!stopping.signal.aborted) metrics.checkedIn(resultOf(error));
      throw error;
    }
  }

  /** Check in over a new connection; only then it is the one in use, and the one before is let go. */
  async function checkInAnew(wanted: Credentials, reason: ConnectReason): Promise<CheckInAnswer> {
    const next = deps.open(wanted);
    let answer: CheckInAnswer;
    try {
      answer = await checkIn(next);
    } catch (error) {
      next.destroy();
      throw error;
    }
    const before = active;
    active = next;
    connected.resolve();
    connected = Promise.withResolvers();
    lastUsed = wanted;
    metrics.connected(reason);
    logger.info({ reason, [field.serialNumber]: wanted.identity.serialNumber }, "connected");
    await before?.drain();
    return answer;
  }

  async function pass(wanted: Credentials): Promise<CheckInAnswer> {
    if (active?.isBroken()) {
      active.destroy();
      active = undefined;
    }
    if (active === undefined) return checkInAnew(wanted, connectReason(lastUsed, wanted));
    if (active.credentials.digest !== wanted.digest && clock.monotonicMs() >= changeover.notBeforeMs) {
      try {
        return await checkInAnew(wanted, connectReason(lastUsed, wanted));
      } catch (error) {
        if (stopping.signal.aborted) throw error;
        const delayMs = fullJitterDelayMs({ ...backoff, attempt: changeover.failures, random });
        changeover = { failures: changeover.failures + 1, notBeforeMs: clock.monotonicMs() + delayMs };
        logger.warn(
          { err: error, [field.delayMs]: delayMs },
          "the new certificate does not work yet, going on with the connection that there is",
        );
      }
    }
    return checkIn(active);
  }

  function succeeded(answer: CheckInAnswer): number {
    if (failures > 0) logger.info({ [field.attempt]: failures }, "checking in again");
    failures = 0;
    failure = undefined;
    lastAnswerMs = clock.monotonicMs();
    intervalMs = answer.intervalMs;
    return intervalMs * (0.9 + 0.2 * random.next());
  }

  function failed(error: unknown): number {
    failure = `${toError(error).message}${skew.remark()}`;
    const retryAfterMs = isDrawbridgeError(error) ? (error.retryAfterMs ?? 0) : 0;
    const delayMs = Math.max(retryAfterMs, fullJitterDelayMs({ ...backoff, attempt: failures, random }));
    if (failures === 0) logger.warn({ err: error, reason: failure, [field.delayMs]: delayMs }, "cannot check in");
    failures += 1;
    return delayMs;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const wanted = credentials.current();
      let delayMs = idleMs;
      if (wanted !== undefined) {
        try {
          delayMs = succeeded(await pass(wanted));
        } catch (error) {
          if (stopping.signal.aborted) return;
          delayMs = failed(error);
        }
      }
      await clock.sleep(delayMs, AbortSignal.any([wake.signal, stopping.signal])).catch(() => undefined); // woken
      wake = new AbortController();
    }
  }

  const usable = (): IngestConnection | undefined => (active?.isBroken() === false ? active : undefined);

  return {
    name: "check-in",
    lastAnswerMs: () => lastAnswerMs,
    failure: () => failure,
    connection: usable,
    whenConnected: async (signal) => {
      const aborted = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => aborted.resolve(), { once: true });
      if (signal.aborted || usable() !== undefined) return;
      await Promise.race([connected.promise, aborted.promise]);
    },
    reconnect: () => {
      if (usable() === undefined && failures === 0) wake.abort();
    },
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("stopping"));
      await running;
      active?.destroy();
    },
  };
}
