import { systemClock } from "@drawbridge/lifecycle";
import { eventually, startTestStack } from "@drawbridge/local/testing";
import type { Drill } from "../drill.ts";
import { type Counted, countRequests, settledCount } from "./counted-requests.ts";
import { deployReported, reportedApi } from "./reported-app.ts";
import { startStepLoad } from "./step-load.ts";

/** Outages; each is another step of the load, and so is the time after it. */
const defaultRounds = 2;
const upMs = 4_000;
/** Those that come while analytics-ingest stops and starts are more of them. */
const withinBoundRequests = 500;
const smallestSpoolBytes = 1_048_576;
/** The load's User-Agents make a report of 100 bytes and more: so many fill the smallest spool several times. */
const overflowing = 30_000;
const giveUpAfterMs = 20 * 60_000;

/**
 * analytics-ingest is away: first for so short that the spool holds everything, then for as many requests as no spool of that
 * size holds. Nothing is lost within the bound; beyond it what was given up is known to the last request.
 */
export const drillTelemetryOutage: Drill = async ({ rounds = defaultRounds, say }) => {
  await using stack = await startTestStack({
    overrides: { agent: { DRAWBRIDGE_ANALYTICS_SPOOL_BYTES: String(smallestSpoolBytes) } },
  });
  const from = systemClock.now();
  const address = await deployReported(stack, 2 * rounds + 1);
  await eventually(async () => ((await fetch(`${address}/step-0`)).status === 404 ? true : undefined));
  const count = (steps: number): Promise<Counted> => countRequests(stack, { api: reportedApi, steps, from });
  const load = startStepLoad(address, { clients: 4, pauseMs: 8, isUnique: true });
  await systemClock.sleep(upMs);
  const ingest = stack.stack.service("analytics-ingest");
  for (let round = 1; round <= rounds; round += 1) {
    load.next();
    const wanted = round < rounds ? withinBoundRequests : overflowing;
    await ingest.stop();
    const giveUpAtMs = systemClock.monotonicMs() + giveUpAfterMs;
    while ((load.counts()[load.step]?.answered ?? 0) < wanted && systemClock.monotonicMs() < giveUpAtMs)
      await systemClock.sleep(500);
    ingest.start();
    await ingest.waitReady();
    say(`${round}/${rounds}  analytics-ingest was away for ${load.counts()[load.step]?.answered} requests`);
    const answeredByNow = total(load.counts().map(({ answered }) => answered));
    await eventually(async () => {
      const { bySteps, missing } = await count(load.step + 1);
      return total(bySteps) + missing >= answeredByNow ? true : undefined;
    });
    say("what waited in the gateway is counted, or told as given up");
    load.next();
    await systemClock.sleep(upMs);
  }
  const sent = await load.stop();
  const answered = total(sent.map((step) => step.answered)) + 1; // the question before the load
  say(`${answered} requests answered; waiting until they are counted`);
  const counted = await settledCount(() => count(sent.length), answered, systemClock);
  const stored = total(counted.bySteps);
  // The time before the last outage ends with requests that were not sent yet when it began.
  const withinBound = sent.slice(0, 2 * (rounds - 1)).flatMap((step, index) => {
    const found = (counted.bySteps[index] ?? 0) - (index === 0 ? 1 : 0);
    return found === step.answered ? [] : [`step ${index}: ${found} counted of ${step.answered}`];
  });
  return {
    figures: {
      outages: { value: rounds, unit: "outages" },
      "requests answered": { value: answered, unit: "requests" },
      "requests counted": { value: stored, unit: "requests" },
      "given up by gateways, and told": { value: counted.missing, unit: "requests" },
    },
    invariants: {
      "nothing is lost within the spool's bound": rounds > 1 ? withinBound : [],
      "what was given up is known to the last request":
        stored + counted.missing === answered
          ? []
          : [`${stored} counted and ${counted.missing} given up of ${answered}`],
      "the bound was reached": counted.missing > 0 ? [] : ["no request was given up"],
      "roll-ups say the same": counted.rolledUp === stored ? [] : [`${counted.rolledUp} instead of ${stored}`],
    },
  };
};

const total = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0);
