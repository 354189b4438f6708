import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Clock, Component } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import type { EndpointSource } from "../app-endpoint/endpoint-source.ts";
import { ownIncrements, trafficOf } from "../app-endpoint/own-increments.ts";
import { encodeSamples } from "../otlp/encode-samples.ts";
import type { BatchQueue } from "../queue/batch-queue.ts";
import type { DropTally } from "../queue/drop-tally.ts";
import type { TrafficSource } from "../traffic/traffic-source.ts";
import {
  baselineSchema,
  measureInterval,
  shiftBaseline,
  type Baseline,
  type ReplicaSample,
} from "./measure-interval.ts";
import { replicaKey, type ReplicaSource } from "./replica-source.ts";

const compress = promisify(gzip);
/** The wall clock was set, not just corrected. */
const clockStepMs = 500;

export interface SamplerDeps {
  readonly intervalMs: number;
  readonly source: ReplicaSource;
  readonly traffic: TrafficSource;
  readonly endpoints: EndpointSource;
  readonly queue: Pick<BatchQueue, "open" | "append" | "checkpoint" | "expire">;
  /** `undefined` while the fabric is not activated: samples cannot be said to be anybody's yet. */
  readonly fabricId: () => string | undefined;
  readonly dropped: Pick<DropTally, "untold" | "told">;
  readonly version: string;
  readonly onSampled: (outcome: SampleOutcome) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type SampleOutcome =
  | { readonly outcome: "ok"; readonly replicas: number; readonly namelessRequests: number }
  | { readonly outcome: "failed" };

/**
 * Looks at every replica once an interval and queues what it saw. Also before it stops, so that the last part of an interval is
 * not lost; and what is counted by others is measured against a baseline on disk, so that neither is what happens while no collector
 * runs. A sample that cannot be stored moves no baseline: the next one holds its counts too.
 */
export function createSampler(deps: SamplerDeps): Component {
  const { queue, clock } = deps;
  const logger = deps.logger.child({ [field.component]: "sampling" });
  const stopping = new AbortController();
  let baseline: Baseline | undefined;
  let last: { readonly wallMs: number; readonly monotonicMs: number } | undefined;
  let isFailing = false;
  let running: Promise<void> = Promise.resolve();

  async function sample(fabricId: string): Promise<void> {
    const now = { wallMs: clock.now().getTime(), monotonicMs: clock.monotonicMs() };
    const stepMs = last === undefined ? 0 : now.wallMs - last.wallMs - (now.monotonicMs - last.monotonicMs);
    const before =
      baseline === undefined || Math.abs(stepMs) < clockStepMs ? baseline : shiftBaseline(baseline, stepMs);
    const replicas = await deps.source.read();
    const read = await deps.endpoints.read(replicas);
    const measured = measureInterval(before, { atMs: now.wallMs, replicas, traffic: deps.traffic.read() });
    const ownMeasured = ownIncrements(before, { replicas, read });
    const own = {
      fabricId,
      version: deps.version,
      startMs: before?.atMs ?? now.wallMs,
      endMs: now.wallMs,
      droppedPoints: deps.dropped.untold(),
    };
    const samples = measured.samples.map((each) => withOwn(each, ownMeasured.byReplica));
    const messages = encodeSamples(samples, { fabricId, own });
    const batches = await Promise.all(
      messages.map(async ({ bytes, dataPoints }) => ({ content: await compress(bytes), dataPoints })),
    );
    const next: Baseline = { ...measured.baseline, own: ownMeasured.baseline };
    await queue.append(batches, JSON.stringify(next));
    deps.dropped.told(own.droppedPoints);
    baseline = next;
    last = now;
    deps.onSampled({ outcome: "ok", replicas: samples.length, namelessRequests: measured.namelessRequests });
  }

  async function pass(): Promise<void> {
    const fabricId = deps.fabricId();
    try {
      await queue.expire();
      if (fabricId === undefined) return;
      await sample(fabricId);
      if (isFailing) logger.info({}, "sampling again");
      isFailing = false;
    } catch (error) {
      deps.onSampled({ outcome: "failed" });
      if (!isFailing) logger.error({ err: error }, "no sample can be taken or stored");
      isFailing = true;
    }
  }

  async function run(): Promise<void> {
    let dueMs = clock.monotonicMs();
    while (!stopping.signal.aborted) {
      await pass();
      const nowMs = clock.monotonicMs();
      // Not counted from the end of the pass: an interval is as long as the operator said, and one that was missed is left out.
      dueMs += deps.intervalMs * Math.max(1, Math.ceil((nowMs - dueMs) / deps.intervalMs));
      await clock.sleep(dueMs - nowMs, stopping.signal).catch(() => undefined); // stopped
    }
  }

  return {
    name: "sampling",
    start: async () => {
      await queue.open();
      baseline = parseBaseline(queue.checkpoint());
      running = run();
    },
    stop: async () => {
      stopping.abort(new Error("stopping"));
      await running;
      await pass();
    },
  };
}

/** Where nobody counts an app's requests, it is believed of its own. */
function withOwn(sample: ReplicaSample, byReplica: ReturnType<typeof ownIncrements>["byReplica"]): ReplicaSample {
  const own = byReplica.get(replicaKey(sample.identity));
  return own === undefined ? sample : { ...sample, own, traffic: sample.traffic ?? trafficOf(own) };
}

/** `undefined`: none, or of a version that is not known; then the first sample has no counts. */
function parseBaseline(text: string | undefined): Baseline | undefined {
  if (text === undefined) return undefined;
  try {
    return baselineSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
