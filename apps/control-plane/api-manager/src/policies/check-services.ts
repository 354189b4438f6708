import {
  createCounterStorage,
  createKeySets,
  createWorkQueue,
  openCounters,
  type PolicyClock,
  type PolicyServices,
} from "@drawbridge/policies";

/**
 * What a policy is made with when it is only tried: it sends nothing, starts nothing and waits for nothing. Whatever it would
 * do when requests come is the gateway's.
 */
export function createCheckServices(): PolicyServices {
  const clock: PolicyClock = { nowMs: () => 0, monotonicMs: () => 0, after: () => () => undefined };
  const fetch: PolicyServices["fetch"] = () => Promise.reject(new Error("nothing is fetched to check a policy"));
  const notCalled = (): Promise<never> => Promise.reject(new Error("nothing is called to check a policy"));
  return {
    clock,
    random: () => 0,
    counters: openCounters(createCounterStorage(16), clock.nowMs),
    fetch,
    keySets: createKeySets({ fetch, clock }),
    verifications: createWorkQueue({ concurrent: 1, waiting: 1 }),
    passwordChecks: createWorkQueue({ concurrent: 1, waiting: 1 }),
    trustedModuleKeys: "not_checked",
    startModule: () => Promise.resolve({ call: notCalled, close: () => undefined }),
    writeMessageLog: () => undefined,
    raiseAlarm: () => undefined,
  };
}
