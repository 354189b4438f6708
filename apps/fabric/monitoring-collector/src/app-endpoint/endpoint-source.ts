import { field, type Logger } from "@drawbridge/telemetry";
import { replicaKey, type ReplicaReading } from "../sampling/replica-source.ts";
import { ownSeries, wantedNames, type OwnSeries } from "./own-series.ts";
import { readEndpoint } from "./read-endpoint.ts";
import { readExposition } from "./read-exposition.ts";

export interface EndpointSource {
  /** Figures by replica, of those that have an endpoint and answered in time. */
  read(replicas: readonly ReplicaReading[]): Promise<ReadonlyMap<string, readonly OwnSeries[]>>;
}

/** At the same time. */
const readers = 16;
/** For one answer, and for all of them: a sample waits no longer. */
const answerMs = 2_000;
const allMs = 5_000;

/** Of a fabric whose owner lets no app tell metrics of its own. */
export const noEndpoints: EndpointSource = { read: () => Promise.resolve(new Map()) };

/**
 * Asks every replica's own endpoint. Those that failed the last time are asked last, so that an app that lets its reader wait
 * takes time from others of its kind only.
 */
export function createEndpointSource(deps: {
  readonly onRead: (result: "ok" | "failed") => void;
  readonly logger: Logger;
}): EndpointSource {
  const logger = deps.logger.child({ [field.component]: "app endpoints" });
  let failing = new Set<string>();

  async function readOne(reading: ReplicaReading, deadline: AbortSignal): Promise<readonly OwnSeries[] | undefined> {
    const { endpoint, identity } = reading;
    if (endpoint === undefined) return undefined;
    const key = replicaKey(identity);
    try {
      const text = await readEndpoint(endpoint, AbortSignal.any([deadline, AbortSignal.timeout(answerMs)]));
      const series = ownSeries(readExposition(text, wantedNames(endpoint.names)), endpoint.names);
      deps.onRead("ok");
      if (failing.delete(key)) logger.info({ app: identity.app, replica: identity.replicaId }, "app endpoint answers");
      return series;
    } catch (error) {
      deps.onRead("failed");
      if (!failing.has(key)) {
        const of = { app: identity.app, replica: identity.replicaId };
        logger.warn({ ...of, err: error }, "app endpoint cannot be read: none of its own metrics");
      }
      failing.add(key);
      return undefined;
    }
  }

  return {
    read: async (replicas) => {
      const asked = replicas.filter(({ endpoint }) => endpoint !== undefined);
      const there = new Set(asked.map(({ identity }) => replicaKey(identity)));
      failing = failing.intersection(there);
      const isFailing = ({ identity }: ReplicaReading): number => Number(failing.has(replicaKey(identity)));
      const waiting = asked.toSorted((a, b) => isFailing(a) - isFailing(b)).values();
      const deadline = AbortSignal.timeout(allMs);
      const found = new Map<string, readonly OwnSeries[]>();
      const work = Array.from({ length: Math.min(readers, asked.length) }, async () => {
        for (const reading of waiting) {
          const series = await readOne(reading, deadline);
          if (series !== undefined) found.set(replicaKey(reading.identity), series);
        }
      });
      await Promise.all(work);
      return found;
    },
  };
}
