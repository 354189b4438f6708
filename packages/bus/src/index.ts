export { type Bus, type BusMessage, type SubscribeOptions, type Subscription } from "./bus.ts";
export { type KeyValueScan } from "./scan-key-value.ts";
export { type BusLogger } from "./bus-logger.ts";
export { connectBus, type ConnectBusOptions } from "./connect-bus.ts";
export { createConsumer, type ConsumerOptions } from "./create-consumer.ts";
export { listDeadLetters, type DeadLetter } from "./list-dead-letters.ts";
export { createQueueConsumer, type QueueConsumerOptions, type QueueMessage } from "./queue-consumer.ts";
export { openQueueDeadLetters, type KeptEntry, type QueueDeadLetters } from "./queue-dead-letters.ts";
export { openWorkQueue, type QueueEntry, type QueueUsage, type WorkQueue } from "./work-queue.ts";
export { scanEvents, type EventScan } from "./scan-events.ts";
export { createSyncCheck, type SyncCheck, type SyncCheckOptions } from "./sync-check.ts";
export { type OutgoingEvent } from "./event-message.ts";
export {
  type KeyValue,
  type KeyValueChange,
  type KeyValueEntry,
  type KeyValueOptions,
  type WriteResult,
} from "./key-value.ts";
export {
  deadStreamName,
  standardStreams,
  streamOf,
  type QueueName,
  type StreamName,
  type StreamSpec,
} from "./stream.ts";
export { createRevocationNews } from "./revocation-news.ts";
export { provisionBus, type ProvisionBusOptions } from "./provision-bus.ts";
export {
  serviceAccess,
  serviceNames,
  standardBuckets,
  type BucketName,
  type ServiceAccess,
  type ServiceName,
} from "./service-access.ts";
export { inboxPrefixOf, permissionsOf, type BusPermissions } from "./service-permissions.ts";
