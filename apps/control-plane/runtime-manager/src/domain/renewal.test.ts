import { expect, test } from "vitest";
import { refuseRenewal, renewalsAtOnce, renewalsPerAgent, type RenewalRequest } from "./renewal.ts";

const request: RenewalRequest = {
  requestId: "0192a3b4-0000-7000-8000-000000000001",
  purpose: "tunnel",
  csrBytes: 300,
  currentSerial: "0a1b",
};
const idle = { ofAgent: 0, inFlight: 0, retryAfterMs: 1_234 };

test("lets a renewal through while there is room (R14)", () => {
  expect(refuseRenewal(request, idle)).toBeUndefined();
  expect(
    refuseRenewal(request, { ...idle, ofAgent: renewalsPerAgent - 1, inFlight: renewalsAtOnce - 1 }),
  ).toBeUndefined();
});

test("the fifty-first at once is told when to come again (R14)", () => {
  expect(refuseRenewal(request, { ...idle, inFlight: 50 })).toMatchObject({
    code: "RENEWAL_OVERLOADED",
    retryAfterMs: 1_234,
  });
});

test("the fourth of one agent at once is refused (R14)", () => {
  expect(refuseRenewal(request, { ...idle, ofAgent: 3 })?.code).toBe("RENEWAL_LIMIT");
});

test("what is wrong is never told to come again, however full it is", () => {
  const full = { ...idle, ofAgent: 3, inFlight: 50 };
  expect(refuseRenewal({ ...request, csrBytes: 8_193 }, full)).toMatchObject({
    code: "CSR_MALFORMED",
    retryAfterMs: 0,
  });
});

test("a lost monitoring certificate is replaced by none, a tunnel's is always there", () => {
  const lost = { ...request, currentSerial: "" };
  expect(refuseRenewal({ ...lost, purpose: "monitoring" }, idle)).toBeUndefined();
  expect(refuseRenewal(lost, idle)?.code).toBe("RENEWAL_SERIAL_UNKNOWN");
});
