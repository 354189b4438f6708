import { expect, test } from "vitest";
import { createHostTable, hostName } from "./host-table.ts";
import { createSharedRoutes } from "./shared-routes.ts";

test.each([
  ["api.example.com", "exact"],
  ["x.example.com", "wildcard"],
  ["example.com", undefined],
  ["a.x.example.com", undefined],
  [".example.com", undefined],
  ["x.other.com", undefined],
  ["xexample.com", undefined],
  ["*.example.com", "wildcard"],
  ["", undefined],
])(
  "of the names api.example.com and *.example.com, %j is %s: one label for the asterisk (RFC 9525 6.3)",
  (name, found) => {
    const find = createHostTable([
      ["*.example.com", "wildcard"],
      ["api.example.com", "exact"],
      ["api.example.com", "later"],
    ]);
    expect(find(name)).toBe(found);
  },
);

test.each([
  ["API.Example.com", "api.example.com"],
  ["api.example.com:8443", "api.example.com"],
  ["api.example.com.", "api.example.com"],
  ["api.example.com.:80", "api.example.com"],
  ["[::1]:80", "[::1]"],
  ["[::1]", "[::1]"],
])("the host %s is %s", (host, name) => {
  expect(hostName(host)).toBe(name);
});

const routes = [
  { host: "api.example.com", pathPrefix: "/orders", appId: "orders" },
  { host: "api.example.com", pathPrefix: "/orders/archive", appId: "archive" },
  { host: "shop.example.com", pathPrefix: "/", appId: "shop" },
  { host: "shop.example.com", pathPrefix: "/cart", appId: "cart" },
  { host: "*.example.com", pathPrefix: "/", appId: "any" },
];

test.each([
  ["api.example.com", "/orders", "orders"],
  ["api.example.com", "/orders/", "orders"],
  ["api.example.com", "/orders/1/lines", "orders"],
  ["api.example.com", "/orders/archive", "archive"],
  ["api.example.com", "/orders/archive/1", "archive"],
  ["api.example.com", "/orders/archived", "orders"],
  ["api.example.com", "/ordersx", undefined],
  ["api.example.com", "/Orders", undefined],
  ["api.example.com", "/", undefined],
  ["shop.example.com", "/", "shop"],
  ["shop.example.com", "/carts", "shop"],
  ["shop.example.com", "/cart/1", "cart"],
  ["SHOP.example.com:8080", "/cart", "cart"],
  ["x.example.com", "/orders", "any"],
  ["example.com", "/", undefined],
  ["127.0.0.1:8080", "/", undefined],
])("%s%s is served by %s: the most specific name, then the longest path of whole segments", (host, path, appId) => {
  expect(createSharedRoutes(routes)(host, path)).toBe(appId);
});

test("without routes nothing is served", () => {
  expect(createSharedRoutes([])("api.example.com", "/")).toBeUndefined();
});
