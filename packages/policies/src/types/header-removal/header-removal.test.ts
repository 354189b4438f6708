import { expect, test } from "vitest";
import { aResponse, anExchange, createPolicy, problemsOf } from "../../testing/harness.ts";
import { headerRemoval } from "./header-removal.ts";

test("takes headers off requests and responses, by name and by how they begin, in any case", async () => {
  const policy = await createPolicy(headerRemoval, {
    inbound: ["X-Internal-*", "cookie"],
    outbound: ["Server", "x-powered-by"],
  });
  const exchange = anExchange({
    headers: {
      "x-internal-user": "a",
      "X-INTERNAL-ROLE": "b",
      "x-internal": "kept",
      Cookie: ["c=1", "d=2"],
      accept: "*/*",
    },
  });
  expect(policy.onRequest(exchange)).toBeUndefined();
  expect(exchange.rawHeaders).toEqual(["x-internal", "kept", "accept", "*/*"]);
  const response = aResponse(200, { server: "x/1", "X-Powered-By": "y", etag: "1" });
  policy.onResponse?.(exchange, response);
  expect(response.rawHeaders).toEqual(["etag", "1"]);
});

test("a pattern leaves what only the gateway may remove", async () => {
  const policy = await createPolicy(headerRemoval, { inbound: ["h*", "x-*"] });
  const exchange = anExchange({
    headers: { host: "a", "x-forwarded-for": "192.0.2.1", "x-other": "1", accept: "*/*" },
  });
  expect(policy.onRequest(exchange)).toBeUndefined();
  expect(exchange.rawHeaders).toEqual(["host", "a", "x-forwarded-for", "192.0.2.1", "accept", "*/*"]);
});

test.each([
  [{}, "inbound"],
  [{ inbound: ["Host"] }, "inbound.0"],
  [{ outbound: ["Content-Length"] }, "outbound.0"],
  [{ inbound: ["transfer_encoding"] }, "inbound.0"],
  [{ inbound: ["a*b"] }, "inbound.0"],
  [{ inbound: ["*"] }, "inbound.0"],
  [{ inbound: [""] }, "inbound.0"],
])("refuses the configuration %j at %s", (configuration, field) => {
  expect(problemsOf(headerRemoval, configuration)).toEqual([expect.stringMatching(new RegExp(`^${field}: `))]);
});
