import fc from "fast-check";
import { expect, test } from "vitest";
import type { AttemptOutcome } from "../../pipeline/upstream-behaviour.ts";
import { anExchange, createPolicy, createTestServices, problemsOf, verdictOf } from "../../testing/harness.ts";
import { Circuit, type CircuitOptions } from "./circuit.ts";
import { circuitBreaker } from "./circuit-breaker.ts";

const options: CircuitOptions = {
  windowMs: 10_000,
  minimumRequests: 4,
  failurePercent: 50,
  openMs: 5000,
  longestOpenMs: 15_000,
  trials: 2,
};

/** Requests one after the other at one instant: "s" succeeds, "f" fails, "a" is abandoned, "x" is what must be refused. */
function send(circuit: Circuit, requests: string, nowMs: number): void {
  for (const request of requests) {
    const entry = circuit.enter(nowMs);
    expect("turn" in entry, `${request} at ${nowMs}`).toBe(request !== "x");
    if ("turn" in entry)
      circuit.leave(entry.turn, request === "s" ? "success" : request === "f" ? "failure" : "abandoned", nowMs);
  }
}

test.each([
  ["sss f", "closed"],
  ["fff", "closed"],
  ["ffff", "open"],
  ["ssff", "open"],
  ["sssff", "closed"],
  ["aaaafff", "closed"],
  ["ffaff", "open"],
])("after %s it is %s", (requests, phase) => {
  const circuit = new Circuit(options);
  send(circuit, requests.replaceAll(" ", ""), 100);
  expect(circuit.phase).toBe(phase);
});

test("failures that are older than the window do not count", () => {
  const circuit = new Circuit(options);
  send(circuit, "fff", 500);
  send(circuit, "f", 10_999);
  expect(circuit.phase).toBe("closed");
  send(circuit, "fff", 11_000);
  expect(circuit.phase).toBe("open");
});

test("open: refuses until its time is over, then lets as many through as it has trials", () => {
  const circuit = new Circuit(options);
  send(circuit, "ffff", 0);
  send(circuit, "xx", 4999);
  const entries = [circuit.enter(5000), circuit.enter(5000), circuit.enter(5000)];
  expect(entries.map((entry) => "turn" in entry)).toStrictEqual([true, true, false]);
  expect(circuit.phase).toBe("half_open");
});

test("half-open: closes when all trials succeed, and then counts anew", () => {
  const circuit = new Circuit(options);
  send(circuit, "ffff", 0);
  send(circuit, "ss", 5000);
  expect(circuit.phase).toBe("closed");
  send(circuit, "fff", 5000);
  expect(circuit.phase).toBe("closed");
});

test("half-open: opens again at the first failure, for twice as long, up to the longest", () => {
  const circuit = new Circuit(options);
  send(circuit, "ffff", 0);
  send(circuit, "sf", 5000);
  send(circuit, "x", 14_999);
  send(circuit, "f", 15_000);
  send(circuit, "x", 29_999);
  send(circuit, "f", 30_000);
  send(circuit, "x", 44_999);
  send(circuit, "ss", 45_000);
  send(circuit, "ffff", 45_000);
  send(circuit, "x", 49_999);
  send(circuit, "s", 50_000);
});

test("half-open: a trial that was abandoned may be made again; trials that never end are given up", () => {
  const circuit = new Circuit(options);
  send(circuit, "ffff", 0);
  send(circuit, "aaass", 5000);
  expect(circuit.phase).toBe("closed");
  const stuck = new Circuit(options);
  send(stuck, "ffff", 0);
  stuck.enter(5000);
  stuck.enter(5000);
  expect(stuck.enter(9999)).toStrictEqual({ waitMs: 1 });
  send(stuck, "ss", 10_000);
  expect(stuck.phase).toBe("closed");
});

test("a result counts only in the phase in which its request was let through", () => {
  const circuit = new Circuit(options);
  const late = [circuit.enter(0), circuit.enter(0)].flatMap((entry) => ("turn" in entry ? [entry.turn] : []));
  send(circuit, "ffff", 0);
  circuit.enter(5000);
  for (const turn of late) expect(circuit.leave(turn, "failure", 5000)).toBe(false);
  expect(circuit.phase).toBe("half_open");
});

test("whatever happens, requests are let through again once it had time to recover", () => {
  const step = fc.record({
    ms: fc.nat(7000),
    result: fc.constantFrom("success" as const, "failure" as const, "abandoned" as const, "never" as const),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const circuit = new Circuit(options);
      let nowMs = 0;
      for (const { ms, result } of steps) {
        nowMs += ms;
        const entry = circuit.enter(nowMs);
        if ("turn" in entry && result !== "never") circuit.leave(entry.turn, result, nowMs);
      }
      return "turn" in circuit.enter(nowMs + options.longestOpenMs);
    }),
  );
});

async function aBreaker(configuration: Record<string, unknown> = {}) {
  const services = createTestServices();
  const policy = await createPolicy(circuitBreaker, { minimumRequests: 2, trials: 1, ...configuration }, { services });
  const { breaker } = policy.upstream ?? {};
  if (!breaker) throw new Error("declares no breaker");
  const send = (endpoint: string, outcome: AttemptOutcome) => {
    const exchange = anExchange();
    const reply = breaker.enter(exchange, endpoint);
    if (!reply) breaker.leave(exchange, endpoint, outcome);
    return reply;
  };
  return { services, send };
}

const ok: AttemptOutcome = { kind: "response", status: 200, header: () => undefined };
const status = (value: number): AttemptOutcome => ({ ...ok, status: value });

test.each<[AttemptOutcome, boolean]>([
  [{ kind: "connect_failed" }, true],
  [{ kind: "timeout" }, true],
  [{ kind: "reset" }, true],
  [status(503), true],
  [status(500), false],
  [status(404), false],
  [ok, false],
])("%o counts as a failure: %s", async (outcome, isFailure) => {
  const { send } = await aBreaker();
  send("a:1", outcome);
  send("a:1", outcome);
  expect(verdictOf(send("a:1", ok))).toBe(isFailure ? "503 circuit_open" : "pass");
});

test("an open circuit answers 503 with the seconds that are left, and tells the operator once", async () => {
  const { services, send } = await aBreaker();
  send("a:1", status(502));
  send("a:1", status(502));
  services.clock.advance(1500);
  expect(send("a:1", ok)?.headers).toEqual(expect.arrayContaining(["retry-after", "4"]));
  expect(services.alarms.map(({ code }) => code)).toStrictEqual(["CIRCUIT_OPENED"]);
  services.clock.advance(3500);
  expect(verdictOf(send("a:1", ok))).toBe("pass");
});

test("each replica has a circuit of its own, or the API has one for all", async () => {
  const apart = await aBreaker();
  apart.send("a:1", status(503));
  apart.send("a:1", status(503));
  expect(verdictOf(apart.send("b:1", ok))).toBe("pass");
  const together = await aBreaker({ scope: "api" });
  together.send("a:1", status(503));
  together.send("b:1", status(503));
  expect(verdictOf(together.send("c:1", ok))).toBe("503 circuit_open");
});

test.each([
  [{ scope: "host" }, "scope"],
  [{ failurePercent: 0 }, "failurePercent"],
  [{ statuses: [404] }, "statuses.0"],
  [{ openSeconds: 10, longestOpenSeconds: 5 }, "longestOpenSeconds: must not be shorter"],
])("the schema refuses %j and names the field", (configuration, problem) => {
  const problems = problemsOf(circuitBreaker, configuration);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
