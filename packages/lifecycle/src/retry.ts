import type { Clock } from "./clock.ts";
import { fullJitterDelayMs, type Random } from "./random.ts";

export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Default 250 ms. */
  readonly baseMs?: number;
  /** Default 10 s. */
  readonly capMs?: number;
  /** Give up after this many attempts; default never. */
  readonly maxAttempts?: number;
  /** Called before each wait. Return "stop" to give up and rethrow. */
  readonly onFailure?: (error: unknown, attempt: number, delayMs: number) => "retry" | "stop" | void;
}

/** Run `work` until it succeeds, the signal aborts, or the options say stop. Only for work that may run twice. */
export async function retryWithBackoff<T>(
  work: (signal: AbortSignal, attempt: number) => Promise<T>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await work(signal, attempt);
    } catch (error) {
      signal.throwIfAborted();
      const delayMs = fullJitterDelayMs({
        attempt,
        baseMs: options.baseMs ?? 250,
        capMs: options.capMs ?? 10_000,
        random: options.random,
      });
      const verdict = options.onFailure?.(error, attempt, delayMs);
      if (verdict === "stop" || attempt + 1 >= (options.maxAttempts ?? Infinity)) throw error;
      await options.clock.sleep(delayMs, signal);
    }
  }
}
