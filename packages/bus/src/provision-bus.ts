import type { BusLogger } from "./bus-logger.ts";
import { internals } from "./bus.ts";
import { connectBus, type ConnectBusOptions } from "./connect-bus.ts";
import { ensureDurable, ensureQueueDurable } from "./durable.ts";
import { accessOf, durablesOf, serviceNames, standardBuckets } from "./service-access.ts";

export interface ProvisionBusOptions extends Pick<ConnectBusOptions, "url" | "credentials" | "streamReplicas"> {
  readonly logger: BusLogger;
}

/**
 * Make every stream, durable and bucket that services use, or bring them to what this version wants; with a login that may
 * do everything, which no service has. Safe to repeat; nothing is removed.
 */
export async function provisionBus(options: ProvisionBusOptions, signal: AbortSignal): Promise<void> {
  const bus = connectBus({ ...options, name: "provision" });
  await bus.start(signal); // makes the streams
  try {
    const { jsm } = bus[internals]();
    for (const service of serviceNames) {
      for (const { stream, types } of durablesOf(service)) {
        await ensureDurable(jsm, { stream, durable: service, types }, bus.serverVersion ?? "");
      }
      for (const queue of accessOf(service).queues ?? []) await ensureQueueDurable(jsm, queue, service);
    }
    for (const [bucket, spec] of Object.entries(standardBuckets)) {
      await bus.kv(bucket, { ...spec, ...(options.streamReplicas ? { replicas: options.streamReplicas } : {}) });
    }
  } finally {
    await bus.stop(AbortSignal.timeout(5_000));
  }
}
