import { expect, test } from "vitest";
import { assertRoutes, type AppRoute } from "./app-route.ts";

const texts = (...routes: AppRoute[]): readonly string[] => assertRoutes(routes).map(({ host, path }) => host + path);

test("routes have one form and one order, whatever they were written like", () => {
  const [one, other] = [
    { host: "API.Example.com.", path: "" },
    { host: "*.shop.example", path: "/orders/v1" },
  ];
  expect(texts(one, other, one)).toEqual(["*.shop.example/orders/v1", "api.example.com/"]);
  expect(texts(other, one)).toEqual(texts(one, other));
});

test.each(["localhost", "a.b", "xn--mnchen-3ya.example", "x1-y.example.com", `${"a".repeat(63)}.example`])(
  "%s is a host",
  (host) => {
    expect(texts({ host, path: "/" })).toEqual([`${host}/`]);
  },
);

test.each([
  ["", "it is empty"],
  ["https://api.example.com", "without scheme, port or path"],
  ["api.example.com:8443", "without scheme, port or path"],
  ["api.example.com/orders", "without scheme, port or path"],
  ["m\u00fcnchen.example", "in its ASCII form"],
  ["*", "an asterisk stands for the whole of the first label"],
  ["a*.example.com", "an asterisk stands for the whole of the first label"],
  ["api.*.com", "an asterisk stands for the whole of the first label"],
  ["*.*.com", "an asterisk stands for the whole of the first label"],
  ["api..example.com", "its labels must be"],
  ["-api.example.com", "its labels must be"],
  ["api_1.example.com", "its labels must be"],
  [`${"a".repeat(64)}.example`, "its labels must be"],
  [`${"a.".repeat(127)}example`, "more than 253 characters"],
  ["10.0.0.1", "a name, not an address"],
  ["[::1]", "without scheme, port or path"],
])("%j is no host, and why is said", (host, why) => {
  expect(() => assertRoutes([{ host, path: "/" }])).toThrow(why);
});

test.each([
  ["orders", 'must begin with "/"'],
  ["/orders/", 'without the "/" at its end'],
  ["/a//b", "must be normalised"],
  ["/a/../b", "must be normalised"],
  ["/./a", "must be normalised"],
  ["/a?b=1", "its segments must be"],
  ["/a%2Fb", "its segments must be"],
  ["/a;b", "its segments must be"],
  ["/a b", "its segments must be"],
  [`/${"a".repeat(500)}`, "more than 500 characters"],
])("%j is no path, and why is said", (path, why) => {
  expect(() => assertRoutes([{ host: "api.example.com", path }])).toThrow(why);
});

test("an app has at most 50 hosts and paths", () => {
  const routes = Array.from({ length: 51 }, (_, index) => ({ host: `h${index}.example`, path: "/" }));
  expect(assertRoutes(routes.slice(1))).toHaveLength(50);
  expect(() => assertRoutes(routes)).toThrow("at most 50");
});
