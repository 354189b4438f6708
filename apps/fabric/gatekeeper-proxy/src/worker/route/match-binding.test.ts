import { expect, test } from "vitest";
import type { Binding } from "../../workers/protocol.ts";
import type { GatePoint } from "./gate-point.ts";
import { createBindingTable } from "./match-binding.ts";

type Api = Pick<Binding, "basePath"> & Partial<Pick<Binding, "resources">>;

/** "base path of the API: path below it", or "untracked". */
function match(apis: readonly Api[], path: string, method = "GET"): string {
  const bindings = apis.map(({ basePath, resources = [] }): Binding => ({
    gateId: basePath,
    apiName: basePath,
    apiVersion: "1",
    basePath,
    resources,
    verdict: { verdict: "closed", reason: "initializing" },
  }));
  const gateOf = ({ gateId, verdict }: Binding): GatePoint => ({ gateId, verdict }) as GatePoint; // nothing else is asked
  const found = createBindingTable(bindings, gateOf).match(method, path);
  return found === undefined ? "untracked" : `${found.gate.gateId}: ${found.relativePath}`;
}

const both = [{ basePath: "/" }, { basePath: "/api/orders/" }];

test.each([
  ["/api/orders", "/api/orders/: /"],
  ["/api/orders/", "/api/orders/: /"],
  ["/api/orders/1/Lines", "/api/orders/: /1/Lines"],
  ["/API/Orders/1", "/api/orders/: /1"],
  ["/api/orders2", "/: /api/orders2"],
  ["/api", "/: /api"],
  ["/", "/: /"],
])("the longest base path has %s: %s (GK 1)", (path, expected) => {
  expect(match(both, path)).toBe(expected);
});

test.each([
  ["/api(1)", "/API%281%29/x", "/api(1): /x"],
  ["/api(1)", "/api(1)/x%2F", "/api(1): /x%2F"],
  ["/api%281%29", "/api(1)", "/api%281%29: /"],
  ["/a//b/./c/../d", "/a/b/d/x", "/a//b/./c/../d: /x"],
  ["/caf\u00e9", "/caf%C3%A9/x", "/caf\u00e9: /x"],
  ["/caf%c3%a9", "/CAF%C3%A9", "/caf%c3%a9: /"],
  ["/a;b", "/a;b/c", "/a;b: /c"],
])("the base path %s has %s however it is written: %s (GK 1)", (basePath, path, expected) => {
  expect(match([{ basePath }], path)).toBe(expected);
});

test.each(["/a%2Fb", "/../a", "/a%zz", "/a?b"])(
  "with a base path that no path can have, %s, all is tracked",
  (basePath) => {
    expect(match([{ basePath }], "/x")).toBe(`${basePath}: /x`);
  },
);

const orders = { basePath: "/api", resources: [{ method: "GET", path: "/Orders/{id}" }] };

test.each([
  ["GET", "/api/Orders/1", "/api: /Orders/1"],
  ["GET", "/api/orders/1/", "/api: /orders/1/"],
  ["HEAD", "/api/Orders/1", "/api: /Orders/1"],
  ["OPTIONS", "/api/Orders/1", "/api: /Orders/1"],
  ["DELETE", "/api/Orders/1", "untracked"],
  ["GET", "/api/Orders", "untracked"],
  ["GET", "/api/Orders/1/lines", "untracked"],
])("of listed resources %s %s is %s (GK 2)", (method, path, expected) => {
  expect(match([orders], path, method)).toBe(expected);
});

test("what the API of the longer base path does not track may be tracked by the one of the shorter", () => {
  expect(match([orders, { basePath: "/" }], "/api/other")).toBe("/: /api/other");
});

test.each(["/a//b", "/a/../b", "/{a", "/a b"])(
  "a resource that cannot be read, %s, makes all of its API tracked",
  (path) => {
    expect(match([{ basePath: "/api", resources: [{ method: "*", path }] }], "/api/x")).toBe("/api: /x");
  },
);
