import { expect, test } from "vitest";
import { aResponse, anExchange, verdictOf } from "../testing/harness.ts";
import type { Enforcement } from "./enforcement.ts";
import type { Exchange } from "./exchange.ts";
import { Pipeline } from "./pipeline.ts";
import { refuse, type Reply } from "./reply.ts";

interface Failure {
  readonly policyName: string;
  readonly thrown: unknown;
}

function aPipeline(enforcements: Readonly<Record<string, Enforcement>>): {
  readonly pipeline: Pipeline;
  readonly failures: Failure[];
} {
  const failures: Failure[] = [];
  const steps = Object.entries(enforcements).map(([name, enforcement]) => ({
    identity: { policyId: `id of ${name}`, policyName: name, policyType: "test" },
    enforcement,
  }));
  const pipeline = new Pipeline(steps, ({ policyName }, thrown) => failures.push({ policyName, thrown }));
  return { pipeline, failures };
}

function refusing(name: string): (exchange: Exchange) => Reply {
  return (exchange) =>
    refuse({ policyId: `id of ${name}`, policyName: name, policyType: "test" }, exchange.id, {
      status: 403,
      reason: "not_here",
      title: "Not here",
    });
}

test("policies that wait for nothing are judged without a promise", () => {
  const { pipeline } = aPipeline({ a: { onRequest: () => undefined }, b: {} });
  expect(pipeline.onRequest(anExchange())).toBeUndefined();
  const refused = aPipeline({ a: { onRequest: refusing("a") } }).pipeline.onRequest(anExchange());
  expect(refused).not.toBeInstanceOf(Promise);
  expect(refused).toMatchObject({ status: 403, policyName: "a", policyId: "id of a", isViolation: true });
});

test("requests pass policies in order, and none runs after the one that refuses", () => {
  const ran: string[] = [];
  const run = (name: string) => (): undefined => void ran.push(name);
  const { pipeline } = aPipeline({
    a: { onRequest: run("a") },
    b: { onRequest: run("b") },
    c: { onRequest: refusing("c") },
    d: { onRequest: run("d") },
  });
  const exchange = anExchange();
  expect(pipeline.onRequest(exchange)).toMatchObject({ policyName: "c" });
  expect(ran).toEqual(["a", "b"]);
  expect(exchange.reply?.policyName).toBe("c");
});

test("a policy that waits keeps its place in the order", async () => {
  const ran: string[] = [];
  const { pipeline } = aPipeline({
    a: {
      onRequest: async () => {
        await Promise.resolve();
        ran.push("a");
        return undefined;
      },
    },
    b: { onRequest: () => void ran.push("b") },
    c: {
      onRequest: async (exchange) => {
        await Promise.resolve();
        return refusing("c")(exchange);
      },
    },
    d: { onRequest: () => void ran.push("d") },
  });
  expect(await pipeline.onRequest(anExchange())).toMatchObject({ policyName: "c" });
  expect(ran).toEqual(["a", "b"]);
});

test.each([
  [
    "at once",
    () => {
      throw new Error("the secret is hunter2");
    },
  ],
  ["later", () => Promise.reject(new Error("the secret is hunter2"))],
])(
  "a policy that throws %s refuses the request with 500, named, and tells the client nothing",
  async (_when, onRequest) => {
    let after = 0;
    const { pipeline, failures } = aPipeline({
      before: {},
      broken: { onRequest },
      after: { onRequest: () => void (after += 1) },
    });
    const reply = await pipeline.onRequest(anExchange());
    expect(verdictOf(reply)).toBe("500 policy_failed");
    expect(reply).toMatchObject({ policyName: "broken", isViolation: true });
    expect(String(reply?.body)).not.toContain("hunter2");
    expect(failures).toMatchObject([{ policyName: "broken", thrown: { message: "the secret is hunter2" } }]);
    expect(after).toBe(0);
  },
);

test("responses pass policies in reverse order, those that saw the request only", () => {
  const ran: string[] = [];
  const hook = (name: string): Enforcement => ({ onResponse: () => void ran.push(name) });
  const { pipeline } = aPipeline({
    a: hook("a"),
    b: hook("b"),
    c: { onRequest: refusing("c"), ...hook("c") },
    d: hook("d"),
  });
  const exchange = anExchange();
  void pipeline.onRequest(exchange);
  expect(pipeline.onResponse(exchange, aResponse(403, {}, "policy"))).toBeUndefined();
  expect(ran).toEqual(["c", "b", "a"]);
});

test("a policy that throws at a response makes it a 500, named", () => {
  const { pipeline, failures } = aPipeline({
    broken: {
      onResponse: () => {
        throw new Error("broken");
      },
    },
  });
  const exchange = anExchange();
  void pipeline.onRequest(exchange);
  expect(verdictOf(pipeline.onResponse(exchange, aResponse(200)))).toBe("500 policy_failed");
  expect(failures).toMatchObject([{ policyName: "broken" }]);
});

test("the body is read only for a policy that asks for it, once, and after those before it", async () => {
  const events: string[] = [];
  const { pipeline } = aPipeline({
    first: { onRequest: () => void events.push("first") },
    reader: { bodyBytes: 10, onRequest: ({ body }) => void events.push(`reader ${String(body)}`) },
    another: { bodyBytes: 20, onRequest: ({ body }) => void events.push(`another ${String(body)}`) },
  });
  const loadBody = (limit: number): Promise<Uint8Array> => {
    events.push(`load ${limit}`);
    return Promise.resolve(Buffer.from("hello"));
  };
  const exchange = anExchange({ contentLength: undefined, loadBody });
  exchange.body = undefined;
  expect(await pipeline.onRequest(exchange)).toBeUndefined();
  expect(events).toEqual(["first", "load 10", "reader hello", "another hello"]);
});

test("a body that is refused before it is read is not read", () => {
  const { pipeline } = aPipeline({ gate: { onRequest: refusing("gate") }, reader: { bodyBytes: 10 } });
  const loadBody = (): never => {
    throw new Error("read");
  };
  expect(verdictOf(pipeline.onRequest(anExchange({ loadBody })) as Reply)).toBe("403 not_here");
});

test.each([
  ["declared", 11, () => Buffer.alloc(0)],
  ["found", undefined, () => "too_large" as const],
  ["found later", undefined, () => Promise.resolve("too_large" as const)],
])(
  "a body longer than a policy reads is refused with 413 in the policy's name: %s",
  async (_how, contentLength, loadBody) => {
    const { pipeline } = aPipeline({ reader: { bodyBytes: 10, onRequest: () => undefined } });
    const exchange = anExchange({ contentLength, loadBody });
    exchange.body = undefined;
    const reply = await pipeline.onRequest(exchange);
    expect(verdictOf(reply)).toBe("413 body_too_large");
    expect(reply?.policyName).toBe("reader");
  },
);

test("a body that was read for one policy is measured for the next", () => {
  const { pipeline } = aPipeline({ reader: { bodyBytes: 4, onRequest: () => undefined } });
  expect(verdictOf(pipeline.onRequest(anExchange({ body: "hello" })) as Reply)).toBe("413 body_too_large");
});

test("taps see the body and the end, each in its own trouble only", () => {
  const seen: string[] = [];
  const { pipeline, failures } = aPipeline({
    broken: {
      tapResponse: () => ({
        chunk: () => {
          throw new Error("broken");
        },
        end: (isComplete) => void seen.push(`broken ended ${isComplete}`),
      }),
    },
    uninterested: { tapResponse: () => undefined },
    good: {
      tapResponse: () => ({
        chunk: (bytes) => void seen.push(String(bytes)),
        end: (isComplete) => void seen.push(`good ended ${isComplete}`),
      }),
    },
  });
  const exchange = anExchange();
  void pipeline.onRequest(exchange);
  const tap = pipeline.tapResponse(exchange, aResponse(200));
  tap?.chunk(Buffer.from("hello"));
  tap?.end(true);
  expect(seen).toEqual(["hello", "broken ended true", "good ended true"]);
  expect(failures).toMatchObject([{ policyName: "broken" }]);
  expect(aPipeline({ a: {} }).pipeline.tapResponse(exchange, aResponse(200))).toBeUndefined();
});

test("the end is told to policies that saw the request, whatever one of them throws", () => {
  const ended: string[] = [];
  const end = {
    status: 200,
    origin: "upstream",
    isComplete: true,
    durationMs: 1,
    requestBytes: 0,
    responseBytes: 0,
  } as const;
  const { pipeline, failures } = aPipeline({
    a: { onEnd: (_exchange, { status }) => void ended.push(`a ${status}`) },
    broken: {
      onEnd: () => {
        throw new Error("broken");
      },
    },
    refuses: { onRequest: refusing("refuses") },
    unreached: { onEnd: () => void ended.push("unreached") },
  });
  const exchange = anExchange();
  void pipeline.onRequest(exchange);
  pipeline.onEnd(exchange, end);
  expect(ended).toEqual(["a 200"]);
  expect(failures).toMatchObject([{ policyName: "broken" }]);
});

test("of several policies that set one part of the way upstream, the first counts; of stream limits, the shortest", () => {
  const tooLarge = refusing("size");
  const { pipeline } = aPipeline({
    a: { upstream: { timeouts: { connectMs: 1 } }, streamLimit: { bytes: 20, tooLarge } },
    b: { upstream: { timeouts: { connectMs: 2 } }, streamLimit: { bytes: 10, tooLarge } },
  });
  expect(pipeline.timeouts).toEqual({ connectMs: 1 });
  expect(pipeline.retry).toBeUndefined();
  expect(pipeline.streamLimit?.bytes).toBe(10);
});

test("tells a gateway which calls it may leave out", () => {
  expect(aPipeline({ a: {} }).pipeline).toMatchObject({ hasResponseHooks: false, hasTaps: false, hasEndHooks: false });
  const all = { onResponse: () => undefined, tapResponse: () => undefined, onEnd: () => undefined };
  expect(aPipeline({ a: {}, b: all }).pipeline).toMatchObject({
    hasResponseHooks: true,
    hasTaps: true,
    hasEndHooks: true,
  });
});
