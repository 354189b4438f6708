import { DrawbridgeError } from "@drawbridge/errors";
import { headers } from "@nats-io/nats-core";
import { expect, test } from "vitest";
import { errorFromHeaders, errorHeaders } from "./wire-error.ts";

test("carries the public half of an error and leaves the cause at home", () => {
  const error = new DrawbridgeError({
    kind: "not_found",
    code: "TUNNEL_NOT_HERE",
    message: "two\nlines, ümlaut",
    details: { agentId: "a" },
    cause: new Error("secret"),
  });
  const carried = errorHeaders(error);
  const received = errorFromHeaders(carried);
  expect(received).toMatchObject({ kind: "not_found", code: "TUNNEL_NOT_HERE", details: { agentId: "a" } });
  expect(received?.message).toBe("two\nlines, ümlaut");
  expect(received?.cause).toBeUndefined();
  expect([...carried].join(" ")).not.toContain("secret");
});

test("says of a foreign error only that something went wrong", () => {
  expect(errorFromHeaders(errorHeaders(new Error("secret")))).toMatchObject({ kind: "internal", code: "INTERNAL" });
});

test("reads an answer without the header as no error, and a mangled one as internal", () => {
  expect(errorFromHeaders(undefined)).toBeUndefined();
  expect(errorFromHeaders(headers())).toBeUndefined();
  const mangled = headers();
  mangled.set("Drawbridge-Error", "{not json");
  expect(errorFromHeaders(mangled)).toMatchObject({ kind: "internal" });
});
