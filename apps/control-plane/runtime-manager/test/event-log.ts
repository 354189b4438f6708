import { connectBus } from "@drawbridge/bus";
import { createTestLogger, type TestNats } from "@drawbridge/testkit";
import { until } from "./harness.ts";

/**
 * What is announced on the RUNTIME stream, as a listener hears it: `fabric.connected`, by scope. It has no memory: what is
 * announced while it has no connection is never heard.
 */
export interface EventLog extends AsyncDisposable {
  /** Resolves when it hears again, after NATS was away. */
  hearing(): Promise<void>;
  factsOf(fabricId: string): readonly string[];
  payloadsOf(fabricId: string, fact: string): readonly Readonly<Record<string, unknown>>[];
}

const forever = new AbortController().signal;

export async function listenToEvents(nats: TestNats): Promise<EventLog> {
  const heard: { readonly subject: string; readonly payload: Readonly<Record<string, unknown>> }[] = [];
  const bus = connectBus({
    url: nats.url,
    credentials: nats.credentials,
    name: "event-log",
    service: "runtime-manager",
    logger: createTestLogger().logger,
  });
  await bus.start(forever);
  const subscription = bus.subscribe("drawbridge.runtime.>", ({ subject, data }) => {
    // protobuf JSON of an event: an object
    heard.push({ subject, payload: JSON.parse(Buffer.from(data).toString()) as Record<string, unknown> });
  });
  await subscription.ready;
  const of = (fabricId: string) =>
    heard.flatMap(({ subject, payload }) => {
      const [, , entity, fact, , scope] = subject.split(".");
      return scope === fabricId ? [{ fact: `${entity}.${fact}`, payload }] : [];
    });
  return {
    // Our subscription went to the server before this did, and the answer says that it was read.
    hearing: async () => {
      await until(() =>
        bus.broadcast("test.event-log", new Uint8Array()).then(
          () => true,
          () => undefined,
        ),
      );
    },
    factsOf: (fabricId) => of(fabricId).map(({ fact }) => fact),
    payloadsOf: (fabricId, fact) => of(fabricId).flatMap((event) => (event.fact === fact ? [event.payload] : [])),
    [Symbol.asyncDispose]: async () => {
      await subscription.close();
      await bus.stop(forever);
    },
  };
}
