import { Writable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";
import { createLogger, serializeError } from "@drawbridge/telemetry";
import { expect, test } from "vitest";

function capture() {
  const lines: string[] = [];
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  return {
    destination,
    text: () => lines.join(""),
    last: () => JSON.parse(lines.at(-1) ?? "{}") as Record<string, unknown>,
  };
}

test("a record has level, time, service, fields and a message", () => {
  const { destination, last } = capture();
  createLogger({ service: "activation", destination })
    .child({ component: "store" })
    .info({ fabric_id: "f1" }, "fabric activated");
  expect(last()).toMatchObject({
    level: "info",
    service: "activation",
    component: "store",
    fabric_id: "f1",
    msg: "fabric activated",
  });
  expect(last()["time"]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test.each([
  {
    where: "a field",
    log: (logger: ReturnType<typeof createLogger>, secret: string) => logger.info({ text: secret }, "x"),
  },
  {
    where: "the message",
    log: (logger: ReturnType<typeof createLogger>, secret: string) => logger.info(`got ${secret}`),
  },
  {
    where: "an error",
    log: (logger: ReturnType<typeof createLogger>, secret: string) => logger.info({ err: new Error(secret) }, "x"),
  },
  {
    where: "the cause of an error",
    log: (logger: ReturnType<typeof createLogger>, secret: string) =>
      logger.info({ err: new Error("x", { cause: { toString: () => secret } }) }, "x"),
  },
  {
    where: "a child's bindings",
    log: (logger: ReturnType<typeof createLogger>, secret: string) => logger.child({ secret }).info("x"),
  },
])("a secret in $where is not written", ({ log }) => {
  const secret = "fat1.eyJ2IjoxfQ.kJ8s0vXn5mZr2QpT7wYb1LcD4fGhA6eU9iOxNzRtMPk";
  for (const format of ["json", "pretty"] as const) {
    const { destination, text } = capture();
    log(createLogger({ service: "x", destination, format }), secret);
    expect(text()).not.toBe("");
    expect(text()).not.toContain("kJ8s0vXn5mZr2QpT7wYb1LcD4fGhA6eU9iOxNzRtMPk");
  }
});

test("records below the level are not written", () => {
  const { destination, text } = capture();
  createLogger({ service: "x", level: "warn", destination }).info("quiet");
  expect(text()).toBe("");
});

test("an error shows kind, code, details and its causes, five deep", () => {
  let error: Error = new Error("root");
  for (let depth = 0; depth < 10; depth += 1) error = new Error(`level ${depth}`, { cause: error });
  const thrown = new DrawbridgeError({
    kind: "unavailable",
    code: "X_Y",
    message: "away",
    details: { a: "b" },
    cause: error,
  });
  const serialized = serializeError(thrown);
  expect(serialized).toMatchObject({
    type: "DrawbridgeError",
    kind: "unavailable",
    code: "X_Y",
    message: "away",
    details: { a: "b" },
  });
  let depth = 0;
  for (let cause = serialized.cause; cause; cause = cause.cause) depth += 1;
  expect(depth).toBe(5);
});
