import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { fabricId } from "../domain/ids.ts";
import { createPassRoutes } from "./pass-routes.ts";

const one = fabricId("0198c0de-0000-7000-8000-000000000001");
const other = fabricId("0198c0de-0000-7000-8000-000000000002");
const routes = [{ environment: "prod", name: "orders", version: "v1", routes: [] }];

test("a fabric reports routes 120 times a minute at most, and keeps no other from it", async () => {
  const clock = new FakeClock();
  const passed: string[] = [];
  const apiManager = { reportRoutes: async (fabric: string) => void passed.push(fabric) };
  const routesOf = createPassRoutes({ apiManager, clock });
  for (let count = 0; count < 120; count += 1) await routesOf.pass(one, routes);
  await expect(routesOf.pass(one, routes)).rejects.toMatchObject({ code: "ROUTES_BUSY", kind: "resource_exhausted" });
  await routesOf.pass(other, routes);
  clock.advance(60_000);
  await routesOf.pass(one, routes);
  expect(passed).toHaveLength(122);
});
