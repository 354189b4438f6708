import { DrawbridgeError } from "@drawbridge/errors";
import { DatabaseError } from "pg";
import { expect, test } from "vitest";
import { breaksConnection, translateStoreError } from "./translate-error.ts";

function serverError(state: string, constraint?: string): DatabaseError {
  const error = new DatabaseError("le texte est traduit", 0, "error");
  error.code = state;
  if (constraint !== undefined) error.constraint = constraint;
  return error;
}

test.each([
  ["23505", "already_exists", "STORE_UNIQUE_VIOLATION"],
  ["23503", "failed_precondition", "STORE_REFERENCE_VIOLATION"],
  ["23514", "failed_precondition", "STORE_CHECK_VIOLATION"],
  ["40001", "aborted", "STORE_CONFLICT"],
  ["40P01", "aborted", "STORE_CONFLICT"],
  ["57014", "deadline_exceeded", "STORE_TIMEOUT"],
  ["53100", "resource_exhausted", "STORE_FULL"],
  ["53300", "resource_exhausted", "STORE_FULL"],
  ["57P01", "unavailable", "STORE_UNAVAILABLE"],
  ["57P03", "unavailable", "STORE_UNAVAILABLE"],
  ["28P01", "unavailable", "STORE_UNAVAILABLE"],
  ["3D000", "unavailable", "STORE_UNAVAILABLE"],
  ["25006", "unavailable", "STORE_UNAVAILABLE"],
  ["42501", "internal", "STORE_FAILED"],
  ["42P01", "internal", "STORE_FAILED"],
])("SQLSTATE %s means %s %s", (state, kind, code) => {
  expect(translateStoreError(serverError(state))).toMatchObject({ kind, code });
});

test("names the constraint and keeps PostgreSQL's words out of what callers see", () => {
  const error = translateStoreError(serverError("23505", "fabric_name_key"));
  expect(error).toMatchObject({ details: { constraint: "fabric_name_key" } });
  expect(String(error)).not.toContain("traduit");
});

test("takes anything that is no answer of the server for a broken connection", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  expect(translateStoreError(refused)).toMatchObject({ code: "STORE_UNAVAILABLE", cause: refused });
  expect(translateStoreError(new Error("Connection terminated"))).toMatchObject({ code: "STORE_UNAVAILABLE" });
});

test("leaves our own errors and our own mistakes as they are", () => {
  const ours = new DrawbridgeError({ kind: "not_found", code: "FABRIC_NOT_FOUND", message: "no such fabric" });
  const mistake = new TypeError("undefined is not a function");
  expect(translateStoreError(ours)).toBe(ours);
  expect(translateStoreError(mistake)).toBe(mistake);
});

test("keeps a connection after a refused statement, and throws it away after anything worse", () => {
  expect(breaksConnection(serverError("23505"))).toBe(false);
  expect(breaksConnection(serverError("57014"))).toBe(false);
  expect(breaksConnection(serverError("57P01"))).toBe(true);
  expect(breaksConnection(serverError("08006"))).toBe(true);
  expect(breaksConnection(new Error("Query read timeout"))).toBe(true);
});
