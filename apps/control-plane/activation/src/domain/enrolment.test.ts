import { expect, test } from "vitest";
import { certificateRequestId } from "./enrolment.ts";

test("the request id of a certificate follows from the agent and the purpose, and is a UUIDv8", () => {
  const agent = "01890000-0000-7000-8000-000000000001";
  const id = certificateRequestId(agent, "agent");
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(certificateRequestId(agent, "agent")).toBe(id);
  expect(certificateRequestId(agent, "collector")).not.toBe(id);
  expect(certificateRequestId("01890000-0000-7000-8000-000000000002", "agent")).not.toBe(id);
});
