import {
  cryptoRandom,
  fullJitterDelayMs,
  type Clock,
  type Component,
  type HealthCheck,
  type Random,
} from "@drawbridge/lifecycle";
import type { BusLogger } from "./bus-logger.ts";

export interface SyncCheckOptions {
  /** Base URL of the NATS server's monitoring (`http:` in its configuration); undefined: nothing can be known. */
  readonly monitoringUrl: string | undefined;
  readonly logger: BusLogger;
  readonly clock: Clock;
  readonly random?: Random;
}

/** What is known of how the server writes to its disk. */
export interface SyncCheck extends Component {
  /** Says what is wrong when the server is known not to sync; what is not known is not held against it. */
  readonly health: HealthCheck;
}

const lookIntervalMs = 60_000;
const answerTimeoutMs = 5_000;
const retry = { baseMs: 1_000, capMs: 60_000 };
const advice =
  "acknowledged requests may be lost on power failure: put `sync_interval: always` into the `jetstream` block of the NATS server's configuration and restart it";

/**
 * Asks the server's monitoring whether JetStream syncs each message before it acknowledges it. Clients of an account cannot
 * know: neither its greeting nor `$JS.API.INFO` tells, and `/jsz` has `sync_always` from 2.10 on.
 */
export function createSyncCheck(options: SyncCheckOptions): SyncCheck {
  const { clock, logger, monitoringUrl } = options;
  const random = options.random ?? cryptoRandom;
  const stopping = new AbortController();
  let syncs: boolean | undefined;
  let running: Promise<void> = Promise.resolve();

  async function look(url: string): Promise<void> {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(answerTimeoutMs)]);
    const answer = await fetch(new URL("jsz", url.endsWith("/") ? url : `${url}/`), { signal });
    if (!answer.ok) throw new Error(`the monitoring of the message bus answers ${answer.status}`);
    const said = syncsAlways(await answer.json());
    if (said !== syncs && said === false) logger.warn({}, advice);
    syncs = said;
  }

  async function run(url: string): Promise<void> {
    for (let attempt = 0; !stopping.signal.aborted;) {
      let waitMs = lookIntervalMs;
      try {
        await look(url);
        attempt = 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (attempt === 0) logger.warn({ err: error }, "the monitoring of the message bus does not answer, will retry");
        waitMs = fullJitterDelayMs({ ...retry, attempt: Math.min(attempt, 10), random });
        attempt += 1;
      }
      await clock.sleep(waitMs, stopping.signal).catch(() => undefined); // stopping
    }
  }

  return {
    name: "sync check of the message bus",
    health: () => (syncs === false ? advice : undefined),
    start: () => {
      if (monitoringUrl === undefined) {
        logger.info({}, "whether the message bus syncs to its disk is not known: no address of its monitoring is set");
      } else running = run(monitoringUrl);
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("stopping"));
      await running;
    },
  };
}

/** `undefined` where the answer has nothing of JetStream. */
function syncsAlways(jsz: unknown): boolean | undefined {
  if (typeof jsz !== "object" || jsz === null || !("config" in jsz)) return undefined;
  const { config } = jsz;
  if (typeof config !== "object" || config === null || !("store_dir" in config)) return undefined;
  return "sync_always" in config && config.sync_always === true;
}
