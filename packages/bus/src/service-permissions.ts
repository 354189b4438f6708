import { accessOf, durablesOf, type ServiceName } from "./service-access.ts";
import { deadStreamName, domainOf, queueStreams, type QueueName } from "./stream.ts";

/** Subjects that a login may use; everything else is refused. */
export interface BusPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Where the answers to a service's requests arrive: nobody else may listen there. */
export function inboxPrefixOf(service: ServiceName): string {
  return `_INBOX_${service}`;
}

/** Streams whose settings a service looks at when it connects. */
export function streamsOf(service: ServiceName): readonly string[] {
  const { owns, queues = [] } = accessOf(service);
  const durables = durablesOf(service);
  const dead = durables.length === 0 ? [] : [deadStreamName];
  return [
    ...(owns === undefined ? [] : [owns]),
    ...durables.map(({ stream }) => stream),
    ...dead,
    ...queues.flatMap((queue) => [queue, queueStreams[queue].deadStream]),
  ];
}

/**
 * The permissions of a service's login. Nothing here makes, changes, empties or removes a stream or a durable: who may
 * make them may have the server deliver any message on any subject. `provisionBus` makes them, with a login of its own.
 */
export function permissionsOf(service: ServiceName): BusPermissions {
  const { owns, hears, says, buckets, reads = {}, queues = [] } = accessOf(service);
  const durables = durablesOf(service);
  const inbox = `${inboxPrefixOf(service)}.>`;
  return {
    publish: [
      ...(owns === undefined ? [] : [`drawbridge.${domainOf(owns)}.>`]),
      ...(durables.length === 0 ? [] : [`drawbridge.dead.${service}.>`]),
      ...says,
      ...(says.some((subject) => hears.includes(subject)) ? [inbox] : []), // replicas answer each other
      ...streamsOf(service).map((stream) => `$JS.API.STREAM.INFO.${stream}`),
      ...durables.flatMap(({ stream }) => [
        `$JS.API.CONSUMER.INFO.${stream}.${service}`,
        `$JS.API.CONSUMER.MSG.NEXT.${stream}.${service}`,
        `$JS.ACK.${stream}.${service}.>`,
      ]),
      ...Object.keys(reads).map((stream) => `$JS.API.STREAM.MSG.GET.${stream}`),
      ...queues.flatMap((queue) => queueSubjects(queue, service)),
      ...Object.entries(buckets).flatMap(([bucket, use]) => bucketSubjects(bucket, use)),
    ],
    subscribe: [inbox, ...hears],
  };
}

/** Of dead letters, whose consumer is a person: looked at and removed one by one. */
function queueSubjects(queue: QueueName, service: ServiceName): readonly string[] {
  const { subject, deadStream, deadSubject } = queueStreams[queue];
  return [
    subject,
    deadSubject,
    `$JS.API.CONSUMER.INFO.${queue}.${service}`,
    `$JS.API.CONSUMER.MSG.NEXT.${queue}.${service}`,
    `$JS.ACK.${queue}.${service}.>`,
    `$JS.API.STREAM.MSG.GET.${deadStream}`,
    `$JS.API.STREAM.MSG.DELETE.${deadStream}`,
  ];
}

function bucketSubjects(bucket: string, use: "writer" | "reader"): readonly string[] {
  const stream = `KV_${bucket}`;
  const get = [`$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.MSG.GET.${stream}`];
  if (use === "writer") return [...get, `$KV.${bucket}.>`];
  // Watching and listing make a consumer that goes with the connection; flow control answers the server.
  return [
    ...get,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}
