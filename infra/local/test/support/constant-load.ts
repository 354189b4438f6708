import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

export interface LoadReport {
  readonly answered: number;
  /** Every request that did not end with 200, by what happened. */
  readonly failures: readonly string[];
  /** Versions in the order in which they were first seen. */
  readonly versions: readonly string[];
}

/**
 * Requests over a few keep-alive connections until it is stopped: one after the other, or with a pause in between, where
 * what else runs needs the machine.
 */
export function startLoad(address: string, connections = 4, pauseMs = 0): { stop(): Promise<LoadReport> } {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const failures: string[] = [];
  const versions = new Set<string>();
  let answered = 0;
  const stopping = new AbortController();

  const worker = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const { status, body } = await get(`${address}/`, agent);
        answered += 1;
        if (status === 200) versions.add((JSON.parse(body) as { version: string }).version);
        else failures.push(`status ${status}: ${body}`);
      } catch (error) {
        failures.push(String(error));
      }
      if (pauseMs > 0) await pause(pauseMs);
    }
  };
  const workers = Array.from({ length: connections }, worker);
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(workers);
      agent.destroy();
      return { answered, failures, versions: [...versions] };
    },
  };
}

function get(url: string, agent: Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, timeout: 10_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer within 10 s")));
    sent.on("error", reject);
    sent.end();
  });
}
