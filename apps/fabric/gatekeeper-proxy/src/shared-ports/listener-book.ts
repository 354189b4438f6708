import type { Change, Listener } from "../workers/protocol.ts";

/** Listeners that are no app's own, as messages for the workers. */
export class ListenerBook {
  #wanted = new Map<string, Listener>();
  #sent = new Map<string, Listener>();

  /** All of them, in place of those before. */
  want(listeners: readonly Listener[]): void {
    this.#wanted = new Map(listeners.map((listener) => [listener.listenerId, listener]));
  }

  find(listenerId: string): Listener | undefined {
    return this.#wanted.get(listenerId);
  }

  /** What the workers have not heard yet. */
  changes(): Change[] {
    const removed = [...this.#sent.keys()].filter((listenerId) => !this.#wanted.has(listenerId));
    const set = [...this.#wanted].filter(([listenerId, listener]) => this.#sent.get(listenerId) !== listener);
    this.#sent = this.#wanted;
    return [
      ...removed.map((listenerId): Change => ({ change: "listener_removed", listenerId })),
      ...set.map(([, listener]): Change => ({ change: "listener_set", listener })),
    ];
  }

  /** For a worker that starts. */
  everything(): Change[] {
    return [...this.#wanted.values()].map((listener) => ({ change: "listener_set", listener }));
  }
}
