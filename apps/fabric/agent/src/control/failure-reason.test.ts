import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { logFieldsOf } from "./failure-reason.ts";

test("logs an app's own fault by code and sentence, and the agent's troubles whole", () => {
  const ofApp = new DrawbridgeError({
    kind: "failed_precondition",
    code: "APP_CRASH_LOOP",
    message: "it ended 3 times",
  });
  expect(logFieldsOf(ofApp)).toEqual({ error_code: "APP_CRASH_LOOP", error_message: "it ended 3 times" });
  const ofAgent = new TypeError("x is not a function");
  expect(logFieldsOf(ofAgent)).toEqual({ err: ofAgent });
});
