import { isDrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { batchFromJson, createBatchCounter } from "./json-batch.ts";

const naming = createBatchCounter(() => 1n);
const aRequest = { time: 0, environment: "production", api: "orders", verb: "GET", status: 200, latencyMs: 1 };
const bytesOf = (parts: object): Uint8Array =>
  Buffer.from(JSON.stringify({ gateway: "gateway-1", requests: [{ ...aRequest, ...parts }] }));

function refusal(parts: object): unknown {
  try {
    batchFromJson(bytesOf(parts), naming);
  } catch (error) {
    if (isDrawbridgeError(error, "ANALYTICS_BATCH_INVALID")) return error.details;
    throw error;
  }
  return undefined;
}

test.each(["environment", "api", "apiVersion", "app", "application", "resourcePath", "policy", "replica"])(
  "refuses control characters in %s, by its name",
  (field) => {
    for (const character of ["\0", "\u001b", "\n", "\u007f", "\u009b"]) {
      expect(refusal({ [field]: `a${character}b` })).toEqual({
        [`field:requests.0.${field}`]: "has control characters",
      });
    }
  },
);

test("takes names of any script", () => {
  expect(
    refusal({ application: "gr\u00fc\u00df \u65e5\u672c \u{1f600}", resourcePath: "/\u05e2/{id}" }),
  ).toBeUndefined();
});
