import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { recoveryCauseOf } from "./recovery-cause.ts";

const failure = (code: string, details: Record<string, string> = {}): DrawbridgeError =>
  new DrawbridgeError({ kind: "unauthenticated", code, message: "no", details });

test.for([
  ["AGENT_CERTIFICATE_NOT_VALID_NOW", {}, "expired"],
  ["CERTIFICATE_EXPIRED", {}, "expired"],
  ["CERTIFICATE_REVOKED", { reason: "superseded" }, "superseded"],
  ["CERTIFICATE_REVOKED", { reason: "key_compromise" }, "revoked"],
  ["AGENT_REVOKED", { reason: "superseded" }, "superseded"],
  ["AGENT_REVOKED", { reason: "deleted" }, "revoked"],
  ["CERTIFICATE_UNKNOWN", {}, "unknown"],
] as const)("%s %j is a reason to recover: %s (REN 7)", ([code, details, cause]) => {
  expect(recoveryCauseOf(failure(code, details), 1)).toBe(cause);
});

test("a certificate that is not valid yet is a clock that is behind: nothing to recover (R21)", () => {
  expect(recoveryCauseOf(failure("AGENT_CERTIFICATE_NOT_VALID_NOW", { isEarly: "true" }), 9)).toBeUndefined();
});

test("a refusal in TLS is one only when it comes several times in a row", () => {
  expect([1, 2, 3].map((failures) => recoveryCauseOf(failure("SERVER_NOT_TRUSTED"), failures))).toEqual([
    undefined,
    undefined,
    "refused-in-tls",
  ]);
});

test.for(["AGENT_LOCKED", "AGENT_SUPERSEDED", "FABRIC_DELETED", "PEER_UNAVAILABLE", "DIAL_REFUSED"])(
  "%s is none",
  (code) => {
    expect(recoveryCauseOf(failure(code), 9)).toBeUndefined();
  },
);
