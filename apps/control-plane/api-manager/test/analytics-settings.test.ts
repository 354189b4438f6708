import {
  AnalyticsSettingsServiceClient,
  type SetAnalyticsSettingsRequest,
} from "@drawbridge/contracts/apis/v1/analytics_settings_service";
import { ApiAnalytics, type UpdateApiRequest } from "@drawbridge/contracts/apis/v1/api_service";
import { AddressDetail, GeographyDetail, type AnalyticsSettings } from "@drawbridge/contracts/apis/v1/configuration";
import { isDrawbridgeError } from "@drawbridge/errors";
import { systemClock } from "@drawbridge/lifecycle";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fetchTree } from "./support/tree.ts";
import { aBinding, aKey, asked, org, startWorld, type Replica, type World } from "./support/world.ts";

const fabricId = "0198c0de-0000-7000-8000-00000000000a";
let world: World;
let replica: Replica;
let settings: Awaited<ReturnType<typeof asCaller>>;
const asCaller = (caller: string) => replica.as(AnalyticsSettingsServiceClient, caller);

const environments = ["fresh", "production", "sandbox", "staging", "lab"];
const named = (environment: string, name: string) => aKey(name, { environment });

beforeAll(async () => {
  world = await startWorld();
  const bound = environments.flatMap((environment) => ["one", "two"].map((name) => aBinding(named(environment, name))));
  world.bindings.ofFabric.set(fabricId, bound);
  replica = await world.start({ reconcileSeconds: 1 });
  settings = await asCaller("management-api");
  const known = () => world.store.db.selectFrom("binding").select("api_name").execute();
  while ((await known()).length < bound.length) await systemClock.sleep(20);
}, 120_000);
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const anApi = (environment: string, name: string, analytics?: ApiAnalytics) =>
  replica.apis.createApi({
    ...asked(),
    key: named(environment, name),
    description: "",
    openapi: "",
    autoApprove: false,
    analytics,
  });

const change = (environment: string, name: string, changed: Partial<UpdateApiRequest>) =>
  replica.apis.updateApi({ ...asked(), key: named(environment, name), routeWords: undefined, ...changed });

const set = (environment: string, changed: Partial<SetAnalyticsSettingsRequest>) =>
  settings.setAnalyticsSettings({ ...asked(), environment, routeWords: undefined, ...changed });

/** What a gateway of the fabric would read in the document of an API. */
async function told(environment: string, name: string): Promise<AnalyticsSettings | undefined> {
  const { apis } = await fetchTree(world.ca, replica, fabricId);
  const api = apis.get(`${name}:v1@${environment}`);
  if (!api) throw new Error(`${name} of ${environment} is not in the tree`);
  return api.document.analytics;
}

const byDefault: AnalyticsSettings = {
  clientAddress: AddressDetail.ADDRESS_DETAIL_TRUNCATED,
  userAgent: true,
  geography: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
  routeWords: [],
};

test("where nobody set anything, whole addresses stay in the fabric (ANA 3)", async () => {
  await anApi("fresh", "one");
  expect(await told("fresh", "one")).toEqual(byDefault);
  const shown = await settings.getAnalyticsSettings({ org, environment: "fresh" });
  expect(shown.settings).toEqual({
    environment: "fresh",
    isOn: true,
    told: byDefault,
    warnings: [],
    apisTold: 1,
    apisOff: 0,
    updatedAt: undefined,
    updatedBy: "",
  });
});

test("a setting reaches the documents of all APIs of its environment as one change, and of no other (ANA 3)", async () => {
  for (const name of ["one", "two"]) await anApi("production", name);
  await anApi("sandbox", "one");
  const before = await fetchTree(world.ca, replica, fabricId);
  const changed = await set("production", {
    clientAddress: AddressDetail.ADDRESS_DETAIL_FULL,
    userAgent: false,
    geography: GeographyDetail.GEOGRAPHY_DETAIL_COUNTRY,
    routeWords: { words: ["dunning", "claimant", "dunning"] },
  });
  const now = {
    clientAddress: AddressDetail.ADDRESS_DETAIL_FULL,
    userAgent: false,
    geography: GeographyDetail.GEOGRAPHY_DETAIL_COUNTRY,
    routeWords: ["claimant", "dunning"],
  };
  expect(changed.settings).toMatchObject({ told: now, apisTold: 2, updatedBy: "alice", updatedAt: expect.any(Date) });
  expect(await told("production", "one")).toEqual(now);
  expect(await told("production", "two")).toEqual(now);
  expect(await told("sandbox", "one")).toEqual(byDefault);
  const after = await fetchTree(world.ca, replica, fabricId);
  expect(after.revision).toBe(before.revision + 1n);
  const revisionOf = (tree: typeof after) => tree.apis.get("one:v1@production")?.document.revision;
  expect(revisionOf(after)).toBe(revisionOf(before)); // no policy changed
});

test("what is not said stays as it was, and an API that comes later has the environment's setting (ANA 3)", async () => {
  await set("staging", { clientAddress: AddressDetail.ADDRESS_DETAIL_NONE });
  await set("staging", { userAgent: false });
  await anApi("staging", "one");
  expect(await told("staging", "one")).toMatchObject({
    clientAddress: AddressDetail.ADDRESS_DETAIL_NONE,
    userAgent: false,
  });
});

test("off in an environment is nothing told of any of its APIs, until it is on again (ANA 3, META 3)", async () => {
  for (const name of ["one", "two"]) await anApi("lab", name, ApiAnalytics.API_ANALYTICS_INHERIT);
  expect((await set("lab", { isOn: false })).settings).toMatchObject({ isOn: false, apisTold: 0 });
  expect(await told("lab", "one")).toBeUndefined();
  expect((await change("lab", "one", { analytics: ApiAnalytics.API_ANALYTICS_INHERIT })).api).toMatchObject({
    analytics: ApiAnalytics.API_ANALYTICS_INHERIT,
    analyticsTold: false,
  });
  expect(await told("lab", "one")).toBeUndefined();
  await set("lab", { isOn: true });
  expect(await told("lab", "two")).toEqual(byDefault);
});

test("an API can only tell less than its environment: off stays off whatever its environment allows (ANA 3)", async () => {
  const silent = await anApi("sandbox", "two", ApiAnalytics.API_ANALYTICS_OFF);
  expect(silent.api).toMatchObject({ analytics: ApiAnalytics.API_ANALYTICS_OFF, analyticsTold: false });
  expect(await told("sandbox", "two")).toBeUndefined();
  const raised = await set("sandbox", { isOn: true, clientAddress: AddressDetail.ADDRESS_DETAIL_FULL });
  expect(raised.settings).toMatchObject({ apisTold: 1, apisOff: 1, warnings: [expect.stringContaining("whole")] });
  expect(await told("sandbox", "two")).toBeUndefined();
  expect(await told("sandbox", "one")).toMatchObject({ clientAddress: AddressDetail.ADDRESS_DETAIL_FULL });
  await change("sandbox", "two", { description: "of ours" });
  expect(await told("sandbox", "two")).toBeUndefined();
  await change("sandbox", "two", { analytics: ApiAnalytics.API_ANALYTICS_INHERIT });
  expect(await told("sandbox", "two")).toEqual(await told("sandbox", "one"));
});

test("nothing is concluded from an address that is hashed or not told, and the operator hears of it (ANA 2)", async () => {
  const hashed = await set("fresh", { clientAddress: AddressDetail.ADDRESS_DETAIL_HASHED });
  expect(hashed.settings).toMatchObject({
    told: { geography: GeographyDetail.GEOGRAPHY_DETAIL_CITY },
    warnings: [expect.stringContaining("no geography is told")],
  });
  expect(await told("fresh", "one")).toMatchObject({
    clientAddress: AddressDetail.ADDRESS_DETAIL_HASHED,
    geography: GeographyDetail.GEOGRAPHY_DETAIL_NONE,
  });
});

test("what has no meaning is refused with its field, and changes nothing", async () => {
  const before = await fetchTree(world.ca, replica, fabricId);
  const refused = async (call: Promise<unknown>) => {
    const error: unknown = await call.catch((thrown: unknown) => thrown);
    return isDrawbridgeError(error) ? `${error.code} ${Object.keys(error.details).join(" ")}` : "was not refused";
  };
  const unspecified = { clientAddress: AddressDetail.ADDRESS_DETAIL_UNSPECIFIED, geography: 7 as GeographyDetail };
  expect(await refused(set("production", unspecified))).toBe(
    "ANALYTICS_SETTINGS_INVALID field:clientAddress field:geography",
  );
  expect(await refused(set("production", { routeWords: { words: ["Ada Lovelace"] } }))).toBe(
    "ANALYTICS_SETTINGS_INVALID field:routeWords",
  );
  expect(await refused(set("Not a name", { isOn: false }))).toMatch(/^ENVIRONMENT_NAME_INVALID/);
  expect(await refused(change("production", "one", { analytics: ApiAnalytics.API_ANALYTICS_UNSPECIFIED }))).toBe(
    "API_INVALID field:analytics",
  );
  expect((await fetchTree(world.ca, replica, fabricId)).revision).toBe(before.revision);
});

test("nobody but management-api sets or reads them", async () => {
  const other = await asCaller("runtime-manager");
  await expect(other.getAnalyticsSettings({ org, environment: "production" })).rejects.toMatchObject({
    kind: "permission_denied",
  });
});
