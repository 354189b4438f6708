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
import { isRefusal } from "./translate-error.ts";

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
  readonly maxAgeMs: number;
  /** How long the same Nats-Msg-Id is recognised: longer than a relay may need to repeat. */
  readonly duplicateWindowMs: number;
  /** 1, or 3 in a NATS cluster. */
  readonly replicas?: number;
}

const dayMs = 86_400_000;
const duplicateWindowMs = 10 * 60_000;

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
];

/**
 * Create a stream, or bring ours back to the specification. Safe to run from every service at once. The number of
 * replicas of an existing stream is left to the operator.
 */
export async function ensureStream(manager: JetStreamManager, spec: StreamSpec): Promise<void> {
  const wanted = {
    subjects: [...spec.subjects],
    max_age: nanos(spec.maxAgeMs),
    duplicate_window: nanos(Math.min(spec.duplicateWindowMs, spec.maxAgeMs)),
  };
  const existing = await findStream(manager, spec.name);
  if (existing === undefined) {
    await refusalSaid(spec.name, () =>
      manager.streams.add({
        name: spec.name,
        ...wanted,
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        discard: DiscardPolicy.Old,
        num_replicas: spec.replicas ?? 1,
      }),
    );
  } else if (!isAsWanted(existing, wanted)) {
    await refusalSaid(spec.name, () => manager.streams.update(spec.name, { ...existing, ...wanted }));
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
