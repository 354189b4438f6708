import type { EventType } from "@drawbridge/contracts";
import type { KeyValueOptions } from "./key-value.ts";
import type { QueueName, StreamName } from "./stream.ts";

/** What one service does on the bus. Its durables and its dead letters carry its name. */
export interface ServiceAccess {
  /** The stream of its own domain; nobody else publishes there. */
  readonly owns: StreamName | undefined;
  /** Events that it consumes with a durable, by stream: exactly the `types` of its consumers. */
  readonly consumes: Partial<Readonly<Record<StreamName, readonly EventType[]>>>;
  /** Events that it looks up in the stream of another service, one after the other and as often as it wants. */
  readonly reads?: Partial<Readonly<Record<StreamName, readonly EventType[]>>>;
  /** Queues that it fills and works off, and whose dead letters it keeps. */
  readonly queues?: readonly QueueName[];
  /** Subjects that it listens to without a stream. */
  readonly hears: readonly string[];
  /** Subjects that it speaks on without a stream: broadcasts and requests. */
  readonly says: readonly string[];
  /**
   * "writer": get and write. "reader": get, list and watch. Never both: whoever fills a bucket and may watch it could have
   * the server deliver what he wrote on a subject that he may not publish to.
   */
  readonly buckets: Partial<Readonly<Record<BucketName, "writer" | "reader">>>;
}

export type BucketName = "tunnel-owner" | "revoked";

/**
 * Every key-value bucket. The first is rewritten every few seconds, so that it may be lost with the server. A revocation
 * counts until its certificate has expired, which is 30 days at most: its key goes ten days later.
 */
export const standardBuckets: Readonly<Record<BucketName, KeyValueOptions>> = {
  "tunnel-owner": { ttlMs: 30_000, storage: "memory" },
  revoked: { ttlMs: 40 * 86_400_000, storage: "file" },
};

/** Revocations and trust bundles, told to whoever lets fabrics in. */
const trustNews = ["ctl.revoked", "ctl.bundle"] as const;

/**
 * Who does what on the bus: the one place. The logins of the local stack, what `provisionBus` makes, and the table in
 * docs/security.md come from here. Deny by default: what is not here is refused by the server.
 */
export const serviceAccess = {
  activation: {
    owns: "ACTIVATION",
    consumes: { RUNTIME: ["runtime.fabric.activated.v1", "runtime.fabric.deleted.v1"] },
    hears: trustNews,
    says: [],
    buckets: { revoked: "reader" },
  },
  alerting: {
    owns: undefined,
    consumes: {},
    hears: trustNews,
    says: [],
    buckets: { revoked: "reader" },
  },
  "analytics-ingest": {
    owns: undefined,
    consumes: {},
    reads: { RUNTIME: ["runtime.fabric.deleted.v1"] },
    queues: ["ANALYTICS"],
    hears: trustNews,
    says: [],
    buckets: { revoked: "reader" },
  },
  "api-manager": {
    owns: "APIS",
    consumes: { RUNTIME: ["runtime.deployment.desired.v1", "runtime.fabric.deleted.v1"] },
    hears: trustNews,
    says: [],
    buckets: { revoked: "reader" },
  },
  "cert-authority": {
    owns: "CERTS",
    consumes: { RUNTIME: ["runtime.fabric.deleted.v1"] },
    hears: trustNews,
    says: trustNews,
    buckets: { revoked: "writer" },
  },
  "config-resolver": {
    owns: "CONFIG",
    consumes: {},
    hears: trustNews,
    says: [],
    buckets: { revoked: "reader" },
  },
  "management-api": {
    owns: undefined,
    consumes: {
      ACTIVATION: [
        "activation.token.redeemed.v1",
        "activation.token.refused.v1",
        "activation.recovery.completed.v1",
        "activation.recovery.refused.v1",
      ],
      CERTS: ["certs.certificate.revoked.v1", "certs.rotation.changed.v1"],
      RUNTIME: [
        "runtime.fabric.connected.v1",
        "runtime.fabric.unreachable.v1",
        "runtime.fabric.deleted.v1",
        "runtime.agent.locked.v1",
        "runtime.agent.unlocked.v1",
      ],
      CONFIG: ["config.artefact.refused.v1"],
    },
    hears: trustNews,
    says: [],
    buckets: { revoked: "reader" },
  },
  "monitoring-ingest": {
    owns: undefined,
    consumes: {},
    hears: trustNews,
    says: [],
    buckets: { revoked: "reader" },
  },
  "runtime-manager": {
    owns: "RUNTIME",
    consumes: { CERTS: ["certs.certificate.revoked.v1"] },
    hears: [
      ...trustNews,
      "drawbridge.certs.bundle.changed.v1.*",
      "drawbridge.certs.rotation.changed.v1.*",
      "drawbridge.apis.configuration.published.v1.*",
      "ctl.desired.*",
      "ctl.session.*",
      "ctl.kick.*",
      "ctl.logs.*",
      "tun.>",
    ],
    says: ["ctl.desired.*", "ctl.session.*", "ctl.kick.*", "ctl.logs.*", "tun.>"],
    buckets: { "tunnel-owner": "writer", revoked: "reader" },
  },
} as const satisfies Readonly<Record<string, ServiceAccess>>;

export type ServiceName = keyof typeof serviceAccess;

// The keys of the table are the names.
export const serviceNames = Object.keys(serviceAccess) as readonly ServiceName[];

export function accessOf(service: ServiceName): ServiceAccess {
  return serviceAccess[service];
}

/** What a service's consumers need, one durable per stream. */
export function durablesOf(
  service: ServiceName,
): readonly { readonly stream: StreamName; readonly types: readonly EventType[] }[] {
  // The keys of `consumes` are names of streams.
  return Object.entries(accessOf(service).consumes).map(([stream, types]) => ({ stream: stream as StreamName, types }));
}
