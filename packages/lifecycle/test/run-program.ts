import { runUntilSignal, type Component } from "@drawbridge/lifecycle";

// A process for run.test.ts. The first argument says how its second component behaves.
const [behaviour] = process.argv.slice(2);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

function component(name: string, overrides: Partial<Component> = {}): Component {
  return {
    name,
    start: () => Promise.resolve(say(`start ${name}`)),
    stop: () => Promise.resolve(say(`stop ${name}`)),
    ...overrides,
  };
}

const second: Readonly<Record<string, Partial<Component>>> = {
  orderly: {},
  "fails to start": { start: () => Promise.reject(new Error("no database")) },
  "waits at start": {
    start: (signal) => {
      say("waiting");
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    },
  },
  hangs: { stop: () => new Promise(() => undefined) },
  "throws unhandled": {
    start: () => Promise.resolve(void setImmediate(() => void Promise.reject(new Error("lost promise")))),
  },
};

const asked = Promise.withResolvers<number>();
setInterval(() => undefined, 60_000); // alive like a server
process.exit(
  await runUntilSignal([component("store"), component("server", second[behaviour ?? ""]), component("outbox")], {
    logger: {
      info: (_fields, message) => {
        say(message);
        if (message === "started") asked.resolve(6);
      },
      error: (fields, message) => say(`${message}: ${"component" in fields ? String(fields.component) : ""}`),
      fatal: (_fields, message) => say(message),
    },
    stopTimeoutMs: 200,
    ...(behaviour === "asks for its end" && { exitRequested: asked.promise }),
  }),
);
