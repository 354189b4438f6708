import { expect, test } from "vitest";
import { RouteSightings } from "./route-sightings.ts";

function seenOf(requests: readonly (readonly [method: string, path: string, status: number])[]): readonly string[] {
  const sightings = new RouteSightings([]);
  for (const [method, path, status] of requests) sightings.see(method, path, status);
  return sightings.take().map(({ method, template, count }) => `${method} ${template} ${count}`);
}

test.each([
  ["GET", 200, true],
  ["POST", 201, true],
  ["DELETE", 204, true],
  ["PUT", 302, true],
  ["PATCH", 409, true],
  ["POST", 422, true],
  ["GET", 101, false],
  ["GET", 401, false],
  ["GET", 403, false],
  ["GET", 404, false],
  ["GET", 405, false],
  ["GET", 429, false],
  ["GET", 500, false],
  ["GET", 503, false],
  ["HEAD", 200, false],
  ["OPTIONS", 204, false],
  ["PROPFIND", 207, false],
  ["ADA", 200, false],
])("%s answered with %i counts: %s", (method, status, isCounted) => {
  expect(seenOf([[method, "/orders", status]])).toEqual(isCounted ? [`${method} /orders 1`] : []);
});

test("of a path only its template is kept, and what stands for no route is not (MGT 6)", () => {
  expect(
    seenOf([
      ["GET", "/users/ada/orders", 200],
      ["GET", "/users/ada.lovelace/orders", 200],
      ["GET", "/users/ada%40example.com", 200],
      ["GET", "//users", 200],
    ]),
  ).toEqual(["GET /users/{}/orders 2", "GET /users/{} 1"]);
});

test("of a second's requests 32 are looked at, and those of no use do not count among them", () => {
  const sightings = new RouteSightings([]);
  for (let count = 0; count < 100; count += 1) sightings.see("GET", "/missing", 404);
  for (let count = 0; count < 100; count += 1) sightings.see("GET", "/orders", 200);
  expect(sightings.take()).toEqual([{ method: "GET", template: "/orders", count: 32 }]);
  expect(sightings.take()).toEqual([]);
  sightings.see("GET", "/orders", 200);
  expect(sightings.take()).toHaveLength(1);
});
