import { systemClock } from "@drawbridge/lifecycle";

/** What is not as it must be by then is a finding. */
const settledWithinMs = 60_000;
const betweenMs = 20;

/** Ask again until the answer is right or a minute has passed; the last answer, `undefined` if there was none. */
export async function settle<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T | undefined> {
  const deadlineMs = systemClock.monotonicMs() + settledWithinMs;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if ((answer !== undefined && isRight(answer)) || systemClock.monotonicMs() > deadlineMs) return answer;
    await systemClock.sleep(betweenMs);
  }
}
