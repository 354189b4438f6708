import { DrawbridgeError, errorKinds } from "@drawbridge/errors";
import { fieldDetail, fromGrpcError, grpcStatusOf, httpStatusOf, toGrpcStatus, toProblem } from "@drawbridge/rpc";
import { expect, test } from "vitest";

test.each(errorKinds)("%s comes back from gRPC as the kind that it was", (kind) => {
  const error = new DrawbridgeError({ kind, code: "SOME_CODE", message: "text", details: { a: "b" } });
  expect(fromGrpcError(toGrpcStatus(error), "peer")).toMatchObject({
    kind,
    code: "SOME_CODE",
    message: "text",
    details: { a: "b" },
  });
});

test("every kind has a gRPC status of its own and an HTTP status for errors", () => {
  expect(new Set(errorKinds.map(grpcStatusOf)).size).toBe(errorKinds.length);
  for (const kind of errorKinds) expect(httpStatusOf(kind)).toBeGreaterThanOrEqual(400);
});

test.each([0, 1, 999, 1_000, 61_500, 0.4])(
  "a retry delay of %d ms survives, rounded up to whole milliseconds",
  (retryAfterMs) => {
    const error = new DrawbridgeError({ kind: "unavailable", code: "X", message: "later", retryAfterMs });
    expect(fromGrpcError(toGrpcStatus(error), "peer").retryAfterMs).toBe(Math.ceil(retryAfterMs));
  },
);

test("a foreign error tells neither transport anything", () => {
  const foreign = new Error("password authentication failed for user postgres");
  expect(JSON.stringify(toProblem(foreign))).not.toContain("postgres");
  const status = toGrpcStatus(foreign);
  expect(`${status.details} ${status.metadata?.get("grpc-status-details-bin").toString()}`).not.toContain("postgres");
});

test("details under field: names become errors[], the others stay details", () => {
  const error = new DrawbridgeError({
    kind: "invalid_argument",
    code: "REQUEST_INVALID",
    message: "not valid",
    details: { [fieldDetail("ttlSeconds")]: "is too large", limit: "86400" },
  });
  expect(toProblem(error)).toMatchObject({
    status: 400,
    errors: [{ field: "ttlSeconds", message: "is too large" }],
    details: { limit: "86400" },
  });
});

test("the kind is told, since several share an HTTP status", () => {
  for (const kind of errorKinds) {
    const problem = toProblem(new DrawbridgeError({ kind, code: "SOME_CODE", message: "text" }));
    expect(problem).toMatchObject({ kind, status: httpStatusOf(kind) });
  }
});

test("a full disk is 507, not 429: waiting does not help (RFC 4918 11.5)", () => {
  const error = new DrawbridgeError({ kind: "resource_exhausted", code: "DISK_FULL", message: "no room" });
  expect(toProblem(error)).toMatchObject({ status: 507, kind: "resource_exhausted" });
});
