import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { systemClock } from "@drawbridge/lifecycle";

/** Who answered. */
export type Answer = "gate" | "policy" | "app" | "nobody";

export interface GateLoad {
  readonly counts: Readonly<Record<Answer, number>>;
  /** When the last request that was answered so was sent; monotonic. */
  readonly lastSentMs: Readonly<Record<Answer, number>>;
  /** Every answer that is not `allowed` since the load began, with the time. */
  readonly findings: readonly string[];
  /** From now on only these answers are right; what is under way may still be answered as before. */
  allow(...answers: readonly Answer[]): void;
  /** What two requests from beginning to end were answered. */
  next(): Promise<readonly Answer[]>;
  stop(): Promise<void>;
}

/** What else runs needs the machine, too. */
const pauseMs = 2;

/** Some clients that send one request after the other over kept connections, until it is stopped. */
export function startGateLoad(
  name: string,
  options: {
    readonly url: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly clients?: number;
    readonly allowed: readonly Answer[];
  },
): GateLoad {
  const agent = new Agent({ keepAlive: true });
  const counts = { gate: 0, policy: 0, app: 0, nobody: 0 };
  const lastSentMs = { ...counts };
  const findings: string[] = [];
  const headers = { ...options.headers };
  const stopping = new AbortController();
  let allowed: ReadonlySet<Answer> = new Set(options.allowed);

  async function once(): Promise<Answer> {
    const rightAtFirst = allowed;
    const sentMs = systemClock.monotonicMs();
    const { answer, detail } = await ask(options.url, { agent, headers });
    counts[answer] += 1;
    lastSentMs[answer] = Math.max(lastSentMs[answer], sentMs);
    if (!allowed.has(answer) && !rightAtFirst.has(answer))
      findings.push(`${new Date().toISOString()} ${name}: answered by ${answer}: ${detail}`);
    return answer;
  }
  const running = Promise.all(
    Array.from({ length: options.clients ?? 2 }, async () => {
      while (!stopping.signal.aborted) {
        await once();
        await pause(pauseMs);
      }
    }),
  );
  return {
    counts,
    lastSentMs,
    findings,
    allow: (...answers) => {
      allowed = new Set(answers);
    },
    next: async () => [await once(), await once()],
    stop: async () => {
      stopping.abort();
      await running;
      agent.destroy();
    },
  };
}

function ask(
  url: string,
  options: { readonly agent: Agent; readonly headers: Record<string, string> },
): Promise<{ readonly answer: Answer; readonly detail: string }> {
  return new Promise((resolve) => {
    const nobody = (error: Error): void => resolve({ answer: "nobody", detail: error.message });
    const sent = request(url, { ...options, timeout: 10_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("error", nobody);
      response.on("end", () => {
        const detail = `${response.statusCode} ${body.slice(0, 200)}`;
        resolve({
          answer: whoAnswered(String(response.headers["x-gateway-origin"] ?? ""), response.statusCode),
          detail,
        });
      });
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer within 10 s")));
    sent.on("error", nobody);
    sent.end();
  });
}

function whoAnswered(origin: string, status: number | undefined): Answer {
  if (origin === "gatekeeper") return "gate";
  if (origin === "policy") return "policy";
  return origin === "" && status === 200 ? "app" : "nobody";
}
