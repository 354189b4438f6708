import { setImmediate } from "node:timers/promises";

export interface SteadyLoad {
  /** Requests answered with each status since the last look; "failed" without an answer. */
  look(): Record<string, number>;
  /** Resolves when every client has sent one more request from beginning to end. */
  round(): Promise<void>;
  stop(): Promise<void>;
}

/** Clients that send one request after the other to a URL until they are stopped. */
export function startLoad(url: string, clients = 2): SteadyLoad {
  let counts: Record<string, number> = {};
  const stopping = new AbortController();
  const rounds = Array.from({ length: clients }, () => 0);
  const run = async (client: number): Promise<void> => {
    while (!stopping.signal.aborted) {
      const outcome = await fetch(url).then(
        async (response) => {
          await response.text();
          return String(response.status);
        },
        () => "failed",
      );
      counts[outcome] = (counts[outcome] ?? 0) + 1;
      rounds[client] = (rounds[client] ?? 0) + 1;
      await setImmediate();
    }
  };
  const running = Promise.all(rounds.map((_, client) => run(client)));
  return {
    look: () => {
      const seen = counts;
      counts = {};
      return seen;
    },
    round: async () => {
      const from = [...rounds];
      // The request under way may have been sent before; the next one was not.
      while (rounds.some((count, client) => count < (from[client] ?? 0) + 2)) await setImmediate();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
