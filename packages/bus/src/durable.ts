import { eventSubject, type EventType } from "@drawbridge/contracts";
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type ConsumerConfig,
  type JetStreamManager,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import { notProvisioned } from "./not-provisioned.ts";
import type { QueueName } from "./stream.ts";
import { isRefusal } from "./translate-error.ts";
import { isAtLeast, parseServerVersion } from "./server-version.ts";

export interface DurableSpec {
  readonly stream: string;
  /** Name of the service. */
  readonly durable: string;
  readonly types: readonly EventType[];
}

/** An event not acknowledged, nor said to be in work, for this long is delivered again. */
export const ackWaitMs = 30_000;
/** Several subjects per consumer. */
const filterVersion = { major: 2, minor: 10 };

/**
 * Make a durable, or bring it to what is wanted. One that is as wanted is left alone, so that a login that may not make
 * durables can use one.
 * @throws DrawbridgeError `BUS_NOT_PROVISIONED` (unavailable)
 */
export async function ensureDurable(jsm: JetStreamManager, spec: DurableSpec, serverVersion: string): Promise<void> {
  const filter = filterOf(spec.types, serverVersion);
  const existing = await findDurable(jsm, spec);
  if (existing !== undefined && hasFilter(existing, filter)) return;
  try {
    await jsm.consumers.add(spec.stream, {
      durable_name: spec.durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(ackWaitMs),
      max_ack_pending: 1_000,
      max_deliver: -1, // how often is decided by the consumer, by what failed
      ...filter,
    });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const what = `the durable ${spec.durable} of ${spec.stream} for ${spec.types.join(", ")}`;
    throw notProvisioned(what, error);
  }
}

/** Bytes of a queue that nobody acknowledged for this long are delivered again. */
const queueAckWaitMs = 60_000;
/** A writer holds many small batches until it has written them. */
const queueAckPending = 20_000;

/**
 * Make the one durable of a queue, unless it is there.
 * @throws DrawbridgeError `BUS_NOT_PROVISIONED` (unavailable)
 */
export async function ensureQueueDurable(
  jsm: JetStreamManager,
  queue: QueueName,
  durable: string,
  ackWaitMs = queueAckWaitMs,
): Promise<void> {
  if ((await findDurable(jsm, { stream: queue, durable })) !== undefined) return;
  try {
    await jsm.consumers.add(queue, {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(ackWaitMs),
      max_ack_pending: queueAckPending,
      max_deliver: -1, // who works it off decides when to give up
    });
  } catch (error) {
    throw isRefusal(error) ? notProvisioned(`the durable ${durable} of ${queue}`, error) : error;
  }
}

type Filter = Pick<ConsumerConfig, "filter_subject" | "filter_subjects">;

function filterOf(types: readonly EventType[], serverVersion: string): Filter {
  const subjects = types.map((type) => eventSubject(type, "*"));
  const [first = "", ...others] = subjects;
  if (others.length === 0) return { filter_subject: first };
  if (isAtLeast(parseServerVersion(serverVersion), filterVersion)) return { filter_subjects: subjects };
  return { filter_subject: `drawbridge.${first.split(".")[1] ?? ""}.>` };
}

async function findDurable(
  jsm: JetStreamManager,
  spec: Pick<DurableSpec, "stream" | "durable">,
): Promise<ConsumerConfig | undefined> {
  try {
    return (await jsm.consumers.info(spec.stream, spec.durable)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound) return undefined;
    throw error;
  }
}

function hasFilter(existing: Filter, wanted: Filter): boolean {
  return subjectsOf(existing) === subjectsOf(wanted);
}

function subjectsOf({ filter_subject: one, filter_subjects: several }: Filter): string {
  return (several ?? (one === undefined ? [] : [one])).toSorted().join();
}
