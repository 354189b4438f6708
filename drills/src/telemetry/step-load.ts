import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { systemClock } from "@drawbridge/lifecycle";

/** What clients know of one step. */
export interface StepCount {
  /** Requests that were answered by the app, whole. */
  answered: number;
  /** Sent, and never answered: whether the gateway took them nobody can say. */
  unknown: number;
}

export interface StepLoad {
  /** From now on requests go to another resource of the API, so that they can be told apart for ever. */
  next(): void;
  readonly step: number;
  counts(): readonly StepCount[];
  stop(): Promise<readonly StepCount[]>;
}

export const pathOfStep = (step: number): string => `/step-${step}`;

/** What examples/hello says to paths that it does not know: nobody else says it. */
const answerOfTheApp = 404;

/** A few clients ask one request after the other, with a pause in between. */
export function startStepLoad(
  address: string,
  options: { readonly clients: number; readonly pauseMs: number; readonly isUnique?: boolean },
): StepLoad {
  const agent = new Agent({ keepAlive: true, maxSockets: options.clients });
  const stopping = new AbortController();
  const steps: StepCount[] = [empty()];
  const current = (): StepCount => steps.at(-1) ?? empty();

  async function client(): Promise<void> {
    while (!stopping.signal.aborted) {
      const step = current();
      // What cannot be compressed fills a spool sooner.
      const headers = options.isUnique === true ? { "user-agent": randomBytes(96).toString("hex") } : {};
      const ended = await ask(new URL(pathOfStep(steps.length - 1), address), agent, headers);
      if (ended === "answered") {
        step.answered += 1;
      } else if (ended === "unknown") step.unknown += 1;
      await systemClock.sleep(options.pauseMs, stopping.signal).catch(() => undefined); // stopped
    }
  }
  const clients = Array.from({ length: options.clients }, client);

  return {
    get step() {
      return steps.length - 1;
    },
    next: () => void steps.push(empty()),
    counts: () => steps,
    stop: async () => {
      stopping.abort(new Error("stopped"));
      await Promise.all(clients);
      agent.destroy();
      return steps;
    },
  };
}

const empty = (): StepCount => ({ answered: 0, unknown: 0 });

/** "refused": nobody took it, or a gate that was closed. */
function ask(
  url: URL,
  agent: Agent,
  headers: Readonly<Record<string, string>>,
): Promise<"answered" | "refused" | "unknown"> {
  return new Promise((resolve) => {
    const sent = request(url, { agent, headers, timeout: 30_000 }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode === answerOfTheApp ? "answered" : "refused"));
      response.on("error", () => resolve("unknown"));
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer")));
    sent.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED" ? "refused" : "unknown"));
    sent.end();
  });
}
