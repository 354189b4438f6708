import { DrawbridgeError, errorKinds, isDrawbridgeError, toError } from "@drawbridge/errors";
import { expect, test } from "vitest";

const anError = () =>
  new DrawbridgeError({
    kind: "unavailable",
    code: "STORE_UNAVAILABLE",
    message: "try again",
    details: { store: "postgres" },
    retryAfterMs: 250,
    cause: new Error("ECONNREFUSED 10.0.0.7"),
  });

test("keeps kind, code, details and retry delay as given", () => {
  expect(anError()).toMatchObject({
    name: "DrawbridgeError",
    kind: "unavailable",
    code: "STORE_UNAVAILABLE",
    details: { store: "postgres" },
    retryAfterMs: 250,
  });
});

test("the cause is kept apart from the message, and out of its JSON", () => {
  const error = anError();
  expect(error.cause).toBeInstanceOf(Error);
  expect(error.message).not.toContain("10.0.0.7");
  expect(JSON.stringify(error)).not.toContain("10.0.0.7");
});

test("an error without a cause has none, rather than an undefined one", () => {
  const error = new DrawbridgeError({ kind: "internal", code: "INTERNAL", message: "internal error" });
  expect("cause" in error).toBe(false);
  expect(error.details).toEqual({});
  expect(error.retryAfterMs).toBeUndefined();
});

test("is told from other errors, and by its code", () => {
  expect(isDrawbridgeError(anError())).toBe(true);
  expect(isDrawbridgeError(anError(), "STORE_UNAVAILABLE")).toBe(true);
  expect(isDrawbridgeError(anError(), "STORE_CONFLICT")).toBe(false);
  expect(isDrawbridgeError(new Error("x"))).toBe(false);
  expect(isDrawbridgeError({ code: "STORE_UNAVAILABLE" })).toBe(false);
});

test("kinds are the canonical gRPC codes without OK and UNKNOWN", () => {
  expect(new Set(errorKinds).size).toBe(15);
});

test("anything thrown becomes an error, and an error stays itself", () => {
  const error = new TypeError("x");
  expect(toError(error)).toBe(error);
  expect(toError("text").message).toBe("text");
  expect(toError(undefined)).toBeInstanceOf(Error);
});
