import type { TestReceiverResponse } from "@drawbridge/contracts/alerting/v1/alert_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import { testContent } from "../domain/notification.ts";
import type { RuleBook } from "../rules/rule-book.ts";
import { mayTell } from "../rules/rule-file.ts";

/** Of one receiver, by one replica. */
const betweenTestsMs = 5_000;

/** Sends a notification of kind "test", once, and says what came back. */
export function createReceiverTest(deps: {
  readonly book: Pick<RuleBook, "receivers" | "channel">;
  readonly clock: Clock;
  readonly ids: IdSource;
}) {
  const { book, clock, ids } = deps;
  const lastTestMs = new Map<string, number>();
  return async (
    test: { readonly environment: string; readonly receiver: string; readonly requestedBy: string },
    signal: AbortSignal,
  ): Promise<TestReceiverResponse> => {
    const { environment, receiver: name, requestedBy } = test;
    const receiver = book.receivers().find((one) => one.name === name);
    const channel = book.channel(name);
    if (!receiver || !channel || !mayTell(receiver, environment)) throw receiverNotFound(name, environment);
    const startedMs = clock.monotonicMs();
    const waitMs = betweenTestsMs - (startedMs - (lastTestMs.get(name) ?? Number.NEGATIVE_INFINITY));
    if (waitMs > 0) throw receiverBusy(name, waitMs);
    lastTestMs.set(name, startedMs);
    const content = testContent({
      environment,
      requestedBy,
      notificationId: ids.next(),
      incidentId: ids.next(),
      now: clock.now(),
    });
    const result = await channel(content, signal);
    return {
      isDelivered: result.outcome === "delivered",
      problem: result.outcome === "delivered" ? "" : result.problem,
      tookMs: Math.round(clock.monotonicMs() - startedMs),
    };
  };
}

function receiverNotFound(receiver: string, environment: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "ALERT_RECEIVER_NOT_FOUND",
    message: `there is no receiver ${receiver} for ${environment}`,
  });
}

function receiverBusy(receiver: string, waitMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "ALERT_RECEIVER_BUSY",
    message: `the receiver ${receiver} was tested a moment ago`,
    retryAfterMs: Math.ceil(waitMs),
  });
}
