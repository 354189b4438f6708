import type { Clock, Random } from "@drawbridge/lifecycle";
import {
  createKeySets,
  createWorkQueue,
  type PolicyClock,
  type PolicyServices,
  type SharedCounters,
} from "@drawbridge/policies";
import type { Logger } from "@drawbridge/telemetry";
import { createModuleRunner } from "./module-runner.ts";
import { createOutboundFetch } from "./outbound-fetch.ts";

/** The same alarm again is logged after so long. */
const alarmEveryMs = 10_000;
const mostAlarms = 1_024;
/** Of the four threads of libuv's pool that all workers share. */
const verifications = { concurrent: 2, waiting: 256 };
const passwordChecks = { concurrent: 1, waiting: 32 };

export function createPolicyServices(options: {
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: SharedCounters;
  readonly trustedModuleKeys: readonly string[];
  readonly logger: Logger;
}): PolicyServices {
  const { clock, random, counters, logger } = options;
  const policyClock = createPolicyClock(clock);
  const fetch = createOutboundFetch();
  const alarms = new Map<string, number>();
  return {
    clock: policyClock,
    random: () => random.next(),
    counters,
    fetch,
    keySets: createKeySets({ fetch, clock: policyClock }),
    verifications: createWorkQueue(verifications),
    passwordChecks: createWorkQueue(passwordChecks),
    trustedModuleKeys: options.trustedModuleKeys,
    startModule: createModuleRunner(policyClock),
    writeMessageLog: ({ level, message, policyName, apiId, fields }) =>
      logger[level]({ ...fields, policy: policyName, api_id: apiId }, message),
    raiseAlarm: ({ apiId, policyId, policyName, code, message, cause }) => {
      const key = `${apiId} ${policyId} ${code}`;
      const nowMs = clock.monotonicMs();
      if (nowMs - (alarms.get(key) ?? -alarmEveryMs) < alarmEveryMs) return;
      if (alarms.size >= mostAlarms) alarms.clear();
      alarms.set(key, nowMs);
      logger.error(
        { err: cause, error_code: code, api_id: apiId, policy_id: policyId, policy: policyName, detail: message },
        "a policy needs attention",
      );
    },
  };
}

export function createPolicyClock(clock: Clock): PolicyClock {
  return {
    nowMs: () => clock.now().getTime(),
    monotonicMs: () => clock.monotonicMs(),
    after: (ms, wake) => {
      const cancelled = new AbortController();
      clock.sleep(ms, cancelled.signal).then(
        () => {
          if (!cancelled.signal.aborted) wake();
        },
        () => undefined, // cancelled
      );
      return () => cancelled.abort();
    },
  };
}
