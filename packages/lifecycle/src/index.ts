export { systemClock, type Clock } from "./clock.ts";
export { createPastTime, type PastTime } from "./past-time.ts";
export { cryptoRandom, fullJitterDelayMs, type Random } from "./random.ts";
export { uuidV7Ids, type IdSource } from "./id-source.ts";
export { createLoop, type LoopOptions } from "./loop.ts";
export { retryWithBackoff, type RetryOptions } from "./retry.ts";
export { runUntilSignal, startComponents, type Component, type RunOptions, type LifecycleLogger } from "./run.ts";
export { createHealth, type Health, type HealthCheck, type HealthReport } from "./health.ts";
export { createHeadStart } from "./head-start.ts";
