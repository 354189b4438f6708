import type { Clock, Component } from "@drawbridge/lifecycle";
import type { CertificateRenewer } from "./certificate-renewer.ts";

/** Timers do not see a suspend or a clock that was set (design R21): nobody sleeps longer than this. */
const longestSleepMs = 15_000;
const shortestSleepMs = 100;

export interface RenewalLoop extends Component {
  /** Something changed: look now. */
  wake(): void;
}

/** Runs the renewers, each for itself: a monitoring certificate that cannot be had keeps no tunnel certificate waiting. */
export function createRenewalLoop(options: {
  readonly renewers: readonly CertificateRenewer[];
  readonly onLooked: () => void;
  readonly clock: Clock;
}): RenewalLoop {
  const { renewers, clock, onLooked } = options;
  const stopping = new AbortController();
  let wake = new AbortController();
  let running: Promise<unknown> = Promise.resolve();

  async function run(renewer: CertificateRenewer): Promise<void> {
    while (!stopping.signal.aborted) {
      const woken = AbortSignal.any([wake.signal, stopping.signal]);
      await renewer.tick(stopping.signal);
      onLooked();
      const sleepMs = Math.min(Math.max(renewer.idleMs(), shortestSleepMs), longestSleepMs);
      await clock.sleep(sleepMs, woken).catch(() => undefined); // woken, or stopped
    }
  }

  return {
    name: "renewal",
    wake() {
      const woken = wake;
      wake = new AbortController();
      woken.abort(new Error("look now"));
    },
    start: () => {
      running = Promise.all(renewers.map(run));
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("the agent is stopping"));
      await running;
    },
  };
}
