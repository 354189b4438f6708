import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import { RouteServiceClient } from "@drawbridge/contracts/apis/v1/route_service";
import type { UpdateApiRequest } from "@drawbridge/contracts/apis/v1/api_service";
import { systemClock } from "@drawbridge/lifecycle";
import { sql } from "@drawbridge/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collectGarbage } from "../src/store/collect-garbage.ts";
import { fetchTree } from "./support/tree.ts";
import { aBinding, aKey, asked, org, startWorld, type Replica, type World } from "./support/world.ts";

const fabricId = "0198c0de-0000-7000-8000-00000000000a";
const otherFabricId = "0198c0de-0000-7000-8000-00000000000b";
let world: World;
let replica: Replica;
let gateways: Awaited<ReturnType<typeof asCaller>>;
let operators: typeof gateways;
const asCaller = (caller: string) => replica.as(RouteServiceClient, caller);
beforeAll(async () => {
  world = await startWorld();
  const bound = ["bound", "silent", "deleted", "flooded", "previewed", "listed"].map((name) => aBinding(aKey(name)));
  const listed = aBinding(aKey("listed"), { resources: [{ method: "GET", path: "/from-manifest" }] });
  world.bindings.ofFabric.set(fabricId, [...bound.slice(0, -1), listed]);
  world.bindings.ofFabric.set(otherFabricId, [aBinding(aKey("elsewhere"))]);
  replica = await world.start({ reconcileSeconds: 1 });
  gateways = await asCaller("runtime-manager");
  operators = await asCaller("management-api");
  const known = () => world.store.db.selectFrom("binding").select("api_name").execute();
  while ((await known()).length < 7) await systemClock.sleep(20);
}, 120_000);
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

async function anApi(name: string, observe: "observed" | "not observed", openapi = ""): Promise<void> {
  await replica.apis.createApi({ ...asked(), key: aKey(name), description: "", openapi, autoApprove: false });
  if (observe === "observed") await change(name, { observeRoutes: true });
}

async function change(name: string, changed: Pick<Partial<UpdateApiRequest>, "observeRoutes" | "routeWords">) {
  const { api } = await replica.apis.updateApi({ ...asked(), key: aKey(name), routeWords: undefined, ...changed });
  return api;
}

function told(name: string, ...routes: readonly string[]): ApiRoutes {
  return {
    ...aKey(name),
    routes: routes.map((text) => {
      const [method = "", template = ""] = text.split(" ");
      return { method, template };
    }),
  };
}

const report = (fabric: string, ...apis: readonly ApiRoutes[]) =>
  gateways.reportRoutes({ fabricId: fabric, apis: [...apis] });

async function routes(name: string): Promise<readonly string[]> {
  const listed = await operators.listRoutes({ org, key: aKey(name) });
  return listed.routes.map(({ method, path }) => `${method} ${path}`);
}

test("routes of an API that is observed are kept once, with the days on which they were seen (GK 8)", async () => {
  await anApi("bound", "observed");
  const first = told("bound", "GET /orders/{}", "POST /orders", "GET /orders/{}");
  expect(await report(fabricId, first)).toEqual({ kept: 3, leftOut: 0 });
  await sql`UPDATE observed_route SET last_seen_on = '2026-01-05'`.execute(world.store.db);
  await report(fabricId, told("bound", "POST /orders"));
  expect(await routes("bound")).toEqual(["POST /orders", "GET /orders/{p2}"]);
  const listed = await operators.listRoutes({ org, key: aKey("bound") });
  expect(listed.observed).toBe(true);
  const today = new Date().toISOString().slice(0, 10);
  expect(listed.routes.map(({ lastSeen }) => lastSeen?.toISOString())).toEqual([
    `${today}T00:00:00.000Z`,
    "2026-01-05T00:00:00.000Z",
  ]);
});

test("an agent may tell only of APIs that an app of its own fabric is bound to and that are observed (MGT 6)", async () => {
  await anApi("silent", "not observed");
  await anApi("elsewhere", "observed");
  await anApi("unbound", "observed");
  const names = ["silent", "elsewhere", "unbound", "no-such-api"];
  expect(await report(fabricId, ...names.map((name) => told(name, "GET /orders")))).toEqual({ kept: 0, leftOut: 4 });
  for (const name of ["silent", "elsewhere", "unbound"]) expect(await routes(name)).toEqual([]);
  expect(await report(otherFabricId, told("elsewhere", "GET /orders"))).toEqual({ kept: 1, leftOut: 0 });
});

test("what is no template of known words is left out, whatever an agent says, and words may be given (MGT 6)", async () => {
  const odd = [
    "GET /users/ada",
    "GET /dunning",
    "GET /orders/42",
    "GET /a%20b",
    "GET orders",
    "ADA /orders",
    "GET /{ada}",
  ];
  expect(await report(fabricId, told("bound", ...odd))).toEqual({ kept: 0, leftOut: odd.length });
  const api = await change("bound", { routeWords: { words: ["dunning", "claimant", "dunning"] } });
  expect(api).toMatchObject({ observeRoutes: true, routeWords: ["claimant", "dunning"] });
  expect(await report(fabricId, told("bound", ...odd))).toEqual({ kept: 1, leftOut: odd.length - 1 });
  expect(await routes("bound")).toContain("GET /dunning");
  await change("bound", { routeWords: { words: ["claimant"] } });
  expect(await routes("bound")).toEqual(["POST /orders", "GET /orders/{p2}"]);
  for (const words of [
    ["Ada"],
    ["a"],
    ["ada lovelace"],
    ["x".repeat(33)],
    Array.from({ length: 201 }, (_, n) => word(n)),
  ]) {
    await expect(change("bound", { routeWords: { words } })).rejects.toMatchObject({ code: "API_INVALID" });
  }
});

test("gateways are told in the signed tree what to observe, and nothing of it for other APIs (GK 8)", async () => {
  const tree = await fetchTree(world.ca, replica, fabricId);
  expect(tree.apis.get("bound:v1@production")?.document.observeRoutes).toEqual({ words: ["claimant"] });
  expect(tree.apis.get("silent:v1@production")?.document.observeRoutes).toBeUndefined();
});

test("turning observation off, and deleting the API, forgets its routes", async () => {
  await change("bound", { observeRoutes: false });
  expect(await operators.listRoutes({ org, key: aKey("bound") })).toEqual({ observed: false, routes: [] });
  expect(await report(fabricId, told("bound", "GET /orders"))).toEqual({ kept: 0, leftOut: 1 });
  await anApi("deleted", "observed");
  await report(fabricId, told("deleted", "GET /orders"));
  await replica.apis.deleteApi({ ...asked(), key: aKey("deleted"), force: true });
  const { rows } = await sql<{ routes: string }>`
    SELECT count(*) AS routes FROM observed_route WHERE api_id NOT IN (SELECT api_id FROM api)
  `.execute(world.store.db);
  expect(rows).toEqual([{ routes: "0" }]);
  await expect(operators.listRoutes({ org, key: aKey("deleted") })).rejects.toMatchObject({ code: "API_NOT_FOUND" });
});

const word = (index: number): string => `w${String.fromCodePoint(97 + Math.trunc(index / 26), 97 + (index % 26))}`;

test("of more than 200 routes those seen longest ago go, and those that nobody has seen for 90 days", async () => {
  await anApi("flooded", "observed");
  await change("flooded", { routeWords: { words: Array.from({ length: 200 }, (_, index) => word(index)) } });
  const all = Array.from({ length: 200 }, (_, index) => `GET /${word(index)}`);
  await report(fabricId, told("flooded", ...all));
  await sql`UPDATE observed_route SET last_seen_on = '2026-01-05' WHERE template = '/waa'`.execute(world.store.db);
  await report(fabricId, told("flooded", "GET /orders"));
  const kept = await routes("flooded");
  expect(kept).toHaveLength(200);
  expect(kept).toContain("GET /orders");
  expect(kept).not.toContain("GET /waa");
  await report(fabricId, told("flooded", "GET /invoices"));
  expect(await routes("flooded")).not.toContain("GET /invoices");
  await collectGarbage(world.store, new Date(Date.now() + 90 * 86_400_000));
  expect(await routes("flooded")).toHaveLength(200);
  await collectGarbage(world.store, new Date(Date.now() + 92 * 86_400_000));
  expect(await routes("flooded")).toEqual([]);
});

test("a preview and the warning on save use observed routes where no document and no manifest says more, and say so (GK 8)", async () => {
  await anApi("previewed", "observed");
  const owner = { owner: { $case: "api" as const, value: aKey("previewed") } };
  const conditions = [
    { methods: "GET", path: { $case: "uriTemplate" as const, value: "/orders/{id}" } },
    { methods: "*", path: { $case: "regularExpression" as const, value: "/ordres/.*" } },
  ];
  const preview = (name: string) => replica.apis.previewMatching({ org, key: aKey(name), resources: [], conditions });
  expect(await preview("previewed")).toMatchObject({ source: "none", resources: [] });
  await report(fabricId, told("previewed", "GET /orders/{}", "DELETE /orders/{}"));
  const shown = await preview("previewed");
  expect(shown).toMatchObject({ source: "observed", idleConditions: [1] });
  expect(shown.resources.map(({ resource, conditions: by }) => [resource?.method, resource?.path, by.length])).toEqual([
    ["DELETE", "/orders/{p2}", 0],
    ["GET", "/orders/{p2}", 1],
  ]);
  expect(shown.warnings).toEqual([expect.stringContaining("there may be others")]);
  const saved = await replica.policies.applyPolicy({
    ...asked(),
    owner,
    name: "ids",
    type: "client-id-enforcement",
    configurationJson: "{}",
    conditions,
    baseVersion: 0n,
    dryRun: true,
    assets: [],
  });
  expect(saved.warnings).toEqual([
    expect.stringContaining("matches no route of previewed:v1@production that was observed"),
  ]);

  await anApi("listed", "observed");
  await report(fabricId, told("listed", "GET /orders/{}"));
  expect(await preview("listed")).toMatchObject({
    source: "manifest",
    resources: [{ resource: { path: "/from-manifest" } }],
  });
  await replica.apis.updateApi({
    ...asked(),
    key: aKey("listed"),
    openapi: "openapi: 3.1.0\npaths: { /from-document: { get: {} } }",
    routeWords: undefined,
  });
  expect(await preview("listed")).toMatchObject({
    source: "openapi",
    resources: [{ resource: { path: "/from-document" } }],
  });
});

test("reports are bounded, and only runtime-manager gives them", async () => {
  const many = Array.from({ length: 101 }, () => told("bound", "GET /orders"));
  await expect(report(fabricId, ...many)).rejects.toMatchObject({ code: "ROUTES_INVALID" });
  const routesOfOne = told("bound", ...Array.from({ length: 201 }, () => "GET /orders"));
  await expect(report(fabricId, routesOfOne)).rejects.toMatchObject({ code: "ROUTES_INVALID" });
  await expect(report("no uuid")).rejects.toMatchObject({ code: "FABRIC_ID_INVALID" });
  await expect(operators.reportRoutes({ fabricId, apis: [] })).rejects.toMatchObject({ kind: "permission_denied" });
  await expect(gateways.listRoutes({ org, key: aKey("bound") })).rejects.toMatchObject({ kind: "permission_denied" });
});
