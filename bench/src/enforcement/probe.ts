import { Agent, request, type IncomingHttpHeaders } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** Clients that ask one API all the time, each over a connection of its own, so that both worker threads are asked. */
export interface Probe extends AsyncDisposable {
  /** When the first connection was answered so, and when each of them had been; monotonic. */
  until(isNew: (answer: Answer) => boolean): Promise<{ readonly firstMs: number; readonly allMs: number }>;
}

/** Between two requests of a connection: the machine is the stack's. */
const pauseMs = 4;
const giveUpAfterMs = 60_000;

export function startProbe(
  url: string,
  { connections, headers = {} }: { readonly connections: number; readonly headers?: Readonly<Record<string, string>> },
): Probe {
  const stopping = new AbortController();
  const listeners = new Set<(connection: number, answer: Answer) => void>();
  const running = Promise.all(Array.from({ length: connections }, (_, connection) => ask(connection)));

  async function ask(connection: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!stopping.signal.aborted) {
      const answer = await answerOf(url, agent, headers);
      for (const listener of listeners) listener(connection, answer);
      await pause(pauseMs);
    }
    agent.destroy();
  }

  return {
    until: (isNew) =>
      new Promise((resolve, reject) => {
        const seen = new Set<number>();
        let firstMs: number | undefined;
        const timer = setTimeout(() => {
          listeners.delete(listener);
          reject(new Error(`${url}: not answered by the new rule within ${giveUpAfterMs / 1_000} s`));
        }, giveUpAfterMs);
        function listener(connection: number, answer: Answer): void {
          if (!isNew(answer)) return;
          firstMs ??= performance.now();
          seen.add(connection);
          if (seen.size < connections) return;
          clearTimeout(timer);
          listeners.delete(listener);
          resolve({ firstMs, allMs: performance.now() });
        }
        listeners.add(listener);
      }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await running;
    },
  };
}

function answerOf(url: string, agent: Agent, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers }, (response) => {
      response.resume();
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
    });
    sent.once("error", reject);
    sent.end();
  });
}
