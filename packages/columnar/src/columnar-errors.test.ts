import { expect, test } from "vitest";
import { errorFromFault } from "./columnar-errors.ts";

test.each([
  [159, "read", "COLUMNAR_QUERY_TIMEOUT", "deadline_exceeded"],
  [241, "read", "COLUMNAR_QUERY_LIMIT", "out_of_range"],
  [241, "write", "COLUMNAR_OVERLOADED", "resource_exhausted"],
  [396, "read", "COLUMNAR_QUERY_LIMIT", "out_of_range"],
  [252, "write", "COLUMNAR_OVERLOADED", "resource_exhausted"],
  [242, "write", "COLUMNAR_UNAVAILABLE", "unavailable"],
  [457, "read", "COLUMNAR_PARAMETER_INVALID", "invalid_argument"],
  [26, "read", "COLUMNAR_PARAMETER_INVALID", "invalid_argument"],
  [26, "write", "COLUMNAR_FAILED", "internal"],
  [60, "read", "COLUMNAR_FAILED", "internal"],
  [undefined, "read", "COLUMNAR_FAILED", "internal"],
] as const)("ClickHouse's %s while it is to %s means %s", (code, work, ours, kind) => {
  const error = errorFromFault({ code, text: "SELECT secret" }, work);
  expect(error).toMatchObject({ code: ours, kind });
  expect(error.message).not.toContain("secret");
});
