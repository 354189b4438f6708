import { startComponents, type Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";

/**
 * Components that the rest does not wait for: they start in order, in the background, as soon as each can. The message
 * bus is such a one: tunnels, reads and changes work without it, events wait in the outbox, hints are made up for.
 */
export function createBackground(name: string, components: readonly Component[], logger: Logger): Component {
  const stopping = new AbortController();
  let running: Promise<readonly Component[]> = Promise.resolve([]);

  async function startAll(): Promise<readonly Component[]> {
    try {
      await startComponents(components, stopping.signal);
      return components;
    } catch (error) {
      if (!stopping.signal.aborted) logger.error({ err: error, component: name }, "start failed");
      return [];
    }
  }

  return {
    name,
    start: () => {
      running = startAll();
      return Promise.resolve();
    },
    stop: async (deadline) => {
      stopping.abort(new Error(`${name} is stopping`));
      const started = await running;
      for (const component of started.toReversed()) await component.stop(deadline);
    },
  };
}
