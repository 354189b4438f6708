import type { EventType } from "@drawbridge/contracts";
import {
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from "@nats-io/jetstream";
import { jserrors } from "@nats-io/jetstream/internal";
import { nanos } from "@nats-io/nats-core";
import { notProvisioned } from "./not-provisioned.ts";
import { isOutOfRoom, isRefusal } from "./translate-error.ts";

export type StreamName = "ACTIVATION" | "CERTS" | "RUNTIME" | "CONFIG" | "APIS";

/** One stream per domain: the first token of an event type. */
const streamOfDomain = {
  activation: "ACTIVATION",
  certs: "CERTS",
  runtime: "RUNTIME",
  config: "CONFIG",
  apis: "APIS",
} as const satisfies Readonly<Record<string, StreamName>>;

/** The domain of a stream: the token after "drawbridge" in its subjects. */
export function domainOf(stream: StreamName): string {
  return Object.entries(streamOfDomain).find(([, name]) => name === stream)?.[0] ?? "";
}

export function streamOf(type: EventType): StreamName;
export function streamOf(type: string): StreamName | undefined;
export function streamOf(type: string): StreamName | undefined {
  const byDomain: Readonly<Record<string, StreamName>> = streamOfDomain;
  return byDomain[type.slice(0, type.indexOf("."))];
}

export interface StreamSpec {
  readonly name: string;
  readonly subjects: readonly string[];
  /** 0: for as long as it takes. */
  readonly maxAgeMs: number;
  /** How long the same Nats-Msg-Id is recognised: longer than a relay may need to repeat. */
  readonly duplicateWindowMs: number;
  /** 1, or 3 in a NATS cluster. */
  readonly replicas?: number;
  /** "work queue": a message goes when it was acknowledged. Default "limits": when it is too old. */
  readonly retention?: "limits" | "work queue";
  /**
   * Room for messages when the stream is made; later it is the operator's. A work queue that is full takes no more, another
   * stream forgets the oldest. Where the server has less, it is halved until it fits. Default: no bound.
   */
  readonly maxBytes?: number;
}

/** Bytes on their way from where they were acknowledged to where they are worked on. */
export type QueueName = "ANALYTICS";

/** Each queue's stream, what is published where, and the stream for what could not be worked on. */
export const queueStreams = {
  ANALYTICS: {
    subject: "drawbridge.analytics.batch",
    deadStream: "ANALYTICS_DEAD",
    deadSubject: "drawbridge.analytics.dead",
  },
} as const satisfies Readonly<
  Record<QueueName, { readonly subject: string; readonly deadStream: string; readonly deadSubject: string }>
>;

// The keys are names of queues.
const queueNames = Object.keys(queueStreams) as readonly QueueName[];

const dayMs = 86_400_000;
const duplicateWindowMs = 10 * 60_000;
const gib = 1024 ** 3;
/** Below this a stream of so many bytes makes no sense. */
const leastBytes = 16 * 1024 ** 2;

/** Where events that no consumer could handle are kept for people to look at. */
export const deadStreamName = "DEAD";

export const standardStreams: readonly StreamSpec[] = [
  ...Object.entries(streamOfDomain).map(([domain, name]) => ({
    name,
    subjects: [`drawbridge.${domain}.>`],
    maxAgeMs: 7 * dayMs,
    duplicateWindowMs,
  })),
  { name: deadStreamName, subjects: ["drawbridge.dead.>"], maxAgeMs: 30 * dayMs, duplicateWindowMs },
  ...queueNames.flatMap((name): readonly StreamSpec[] => {
    const { subject, deadStream, deadSubject } = queueStreams[name];
    return [
      { name, subjects: [subject], maxAgeMs: 0, duplicateWindowMs, retention: "work queue", maxBytes: 4 * gib },
      { name: deadStream, subjects: [deadSubject], maxAgeMs: 30 * dayMs, duplicateWindowMs, maxBytes: gib / 4 },
    ];
  }),
];

/**
 * Create a stream, or bring ours back to the specification. Safe to run from every service at once. The number of
 * replicas of an existing stream is left to the operator.
 */
export async function ensureStream(manager: JetStreamManager, spec: StreamSpec): Promise<void> {
  const wanted = {
    subjects: [...spec.subjects],
    max_age: nanos(spec.maxAgeMs),
    duplicate_window: nanos(Math.min(spec.duplicateWindowMs, spec.maxAgeMs || spec.duplicateWindowMs)),
  };
  const existing = await findStream(manager, spec.name);
  if (existing === undefined) {
    const isQueue = spec.retention === "work queue";
    const settings = {
      name: spec.name,
      ...wanted,
      retention: isQueue ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: isQueue ? DiscardPolicy.New : DiscardPolicy.Old,
      num_replicas: spec.replicas ?? 1,
    };
    await refusalSaid(spec.name, () => addStream(manager, settings, spec.maxBytes));
  } else if (!isAsWanted(existing, wanted)) {
    await refusalSaid(spec.name, () => manager.streams.update(spec.name, { ...existing, ...wanted }));
  }
}

/** The server sets aside what a stream may hold at most, and refuses a stream for which it has too little. */
async function addStream(
  manager: JetStreamManager,
  settings: Parameters<JetStreamManager["streams"]["add"]>[0],
  maxBytes: number | undefined,
): Promise<void> {
  if (maxBytes === undefined) return void (await manager.streams.add(settings));
  for (let bytes = maxBytes; ; bytes /= 2) {
    try {
      await manager.streams.add({ ...settings, max_bytes: bytes });
      return;
    } catch (error) {
      if (bytes / 2 < leastBytes || !isOutOfRoom(error)) throw error;
    }
  }
}

/** A login of a service may look at streams, but not make or change them. */
async function refusalSaid(stream: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw isRefusal(error) ? notProvisioned(`the stream ${stream}`, error) : error;
  }
}

async function findStream(manager: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config;
  } catch (error) {
    if (error instanceof jserrors.StreamNotFoundError) return undefined;
    throw error;
  }
}

function isAsWanted(existing: StreamConfig, wanted: Partial<StreamConfig>): boolean {
  return (
    existing.max_age === wanted.max_age &&
    existing.duplicate_window === wanted.duplicate_window &&
    existing.subjects.toSorted().join() === wanted.subjects?.toSorted().join()
  );
}
