import type { Component } from "./run.ts";

/**
 * Starts a component early without waiting for it: `begin` goes where it may begin, `rest` where others need it. The
 * message bus is such a one: what a start can use of it should be there soon, and nothing should wait for it that works
 * without it.
 */
export function createHeadStart(component: Component): { readonly begin: Component; readonly rest: Component } {
  const stopping = new AbortController();
  let starting: Promise<void> = Promise.resolve();
  return {
    begin: {
      name: component.name,
      start: () => {
        starting = component.start(stopping.signal);
        starting.catch(() => undefined); // `rest` reports it
        return Promise.resolve();
      },
      stop: async (deadline) => {
        stopping.abort(new Error(`${component.name} is stopping`));
        await starting.catch(() => undefined);
        await component.stop(deadline);
      },
    },
    rest: {
      name: `start of ${component.name}`,
      start: (signal) => {
        const aborted = Promise.withResolvers<never>();
        const onAbort = (): void => aborted.reject(signal.reason);
        if (signal.aborted) onAbort();
        signal.addEventListener("abort", onAbort, { once: true });
        return Promise.race([starting, aborted.promise]).finally(() => signal.removeEventListener("abort", onAbort));
      },
      stop: () => Promise.resolve(),
    },
  };
}
