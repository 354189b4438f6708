import { randomBytes, randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import type { ApplyPolicyRequest, PolicyOwner } from "@drawbridge/contracts/apis/v1/policy_service";
import { isDrawbridgeError, type DrawbridgeError } from "@drawbridge/errors";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { sql } from "@drawbridge/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rewrapAll } from "../src/store/rewrap.ts";
import { fetchTree } from "./support/tree.ts";
import { aBinding, aKey, asked, org, startWorld, type Replica, type World } from "./support/world.ts";

let world: World;
let replica: Replica;
beforeAll(async () => {
  world = await startWorld();
  replica = await world.start({ reconcileSeconds: 1 });
});
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const ofApi = (name: string): PolicyOwner => ({ owner: { $case: "api", value: aKey(name) } });
const ofEnvironment = (environment: string): PolicyOwner => ({ owner: { $case: "environment", value: environment } });

function aPolicy(owner: PolicyOwner, name: string, overrides: Partial<ApplyPolicyRequest> = {}): ApplyPolicyRequest {
  return {
    ...asked(),
    owner,
    name,
    type: "client-id-enforcement",
    configurationJson: "{}",
    conditions: [],
    baseVersion: 0n,
    dryRun: false,
    assets: [],
    ...overrides,
  };
}

async function anApi(name: string, openapi = ""): Promise<void> {
  await replica.apis.createApi({ ...asked(), key: aKey(name), description: "", openapi, autoApprove: false });
}

async function errorOf(call: Promise<unknown>): Promise<Pick<DrawbridgeError, "code" | "details">> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return isDrawbridgeError(error) ? { code: error.code, details: error.details } : { code: String(error), details: {} };
}

async function names(owner: PolicyOwner): Promise<readonly string[]> {
  const { policies } = await replica.policies.listPolicies({ org, owner, pageSize: 0, pageToken: "" });
  return policies.map(({ name }) => name);
}

const secret = "operator-s3cret-value";
const introspection = JSON.stringify({
  endpoint: "https://idp.example/introspect",
  clientId: "gateway",
  clientSecret: secret,
});

test("a secret of the operator is encrypted at rest, shown as set, kept when saved as set, and sent to gateways", async () => {
  await anApi("secret");
  const owner = ofApi("secret");
  const fabricId = randomUUID();
  world.bindings.ofFabric.set(fabricId, [aBinding(aKey("secret"))]);
  const type = "oauth2-introspection";
  const first = await replica.policies.applyPolicy(aPolicy(owner, "ask", { type, configurationJson: introspection }));
  const shown = first.policy?.configurationJson ?? "";
  expect(shown).not.toContain(secret);
  expect(JSON.parse(shown)).toMatchObject({ clientSecret: "(set)", clientId: "gateway" });

  const edited = JSON.stringify({ ...JSON.parse(shown), clientId: "gateway-2" });
  await replica.policies.applyPolicy(aPolicy(owner, "ask", { type, configurationJson: edited }));
  await expect.poll(() => errorOf(fetchTree(world.ca, replica, fabricId))).toMatchObject({ details: {} });
  await expect.poll(async () => (await fetchTree(world.ca, replica, fabricId)).apis.size).toBe(1);
  const { apis } = await fetchTree(world.ca, replica, fabricId);
  const [policy] = apis.get("secret:v1@production")?.document.policies ?? [];
  expect(JSON.parse(policy?.configurationJson ?? "{}")).toMatchObject({ clientSecret: secret, clientId: "gateway-2" });

  for (const table of ["policy", "policy_version", "api_object", "request", "outbox"]) {
    const { rows } = await sql<{ found: boolean }>`
      SELECT EXISTS (SELECT FROM ${sql.table(table)} AS one
        WHERE strpos(one::text, ${secret}) > 0 OR strpos(one::text, ${Buffer.from(secret).toString("hex")}) > 0) AS found
    `.execute(world.store.db);
    expect(rows, table).toEqual([{ found: false }]);
  }
  expect(replica.output()).not.toContain(secret);
});

test("a save that fails names field and reason, and changes nothing", async () => {
  await anApi("refused");
  const owner = ofApi("refused");
  const before = await replica.apis.getApi({ org, key: aKey("refused"), withOpenapi: false });
  const bad = [
    aPolicy(owner, "limit", {
      type: "rate-limiting",
      configurationJson: JSON.stringify({ limits: [{ requests: 0 }] }),
    }),
    aPolicy(owner, "ids", { conditions: [{ methods: "GET", path: { $case: "regularExpression", value: "(" } }] }),
    aPolicy(owner, "Bad Name"),
    aPolicy(owner, "ids", { configurationJson: "{" }),
    aPolicy(owner, "ids", { type: "no-such-type" }),
    aPolicy(owner, "cross", {
      type: "oauth2-introspection",
      configurationJson: JSON.stringify({ clientSecret: "(set)" }),
    }),
  ];
  const errors = await Promise.all(bad.map((request) => errorOf(replica.policies.applyPolicy(request))));
  expect(
    errors.map(({ code, details }) => [code, Object.keys(details)[0]?.replace(/\[.*|(?<=configuration)\..*/, "")]),
  ).toEqual([
    ["POLICY_INVALID", "field:configuration"],
    ["POLICY_INVALID", "field:conditions"],
    ["POLICY_INVALID", "field:name"],
    ["POLICY_INVALID", "field:configuration"],
    ["POLICY_TYPE_UNKNOWN", "field:type"],
    ["POLICY_INVALID", "field:configuration"],
  ]);
  expect(await names(owner)).toEqual([]);
  expect(await replica.apis.getApi({ org, key: aKey("refused"), withOpenapi: false })).toEqual(before);
});

test("a dry run checks everything and saves nothing", async () => {
  await anApi("dry");
  const dry = await replica.policies.applyPolicy(aPolicy(ofApi("dry"), "ids", { dryRun: true }));
  expect(dry).toMatchObject({ changed: true, policy: { name: "ids", version: 1n } });
  expect(await names(ofApi("dry"))).toEqual([]);
});

test("a condition that matches no resource of the API is warned about on save (GK 8)", async () => {
  await anApi("matched", "openapi: 3.1.0\npaths: { '/orders/{id}': { get: {} } }");
  const conditions = ["/orders/{id}", "/ordres/{id}"].map((value) => ({
    methods: "GET",
    path: { $case: "uriTemplate" as const, value },
  }));
  const { warnings } = await replica.policies.applyPolicy(aPolicy(ofApi("matched"), "ids", { conditions }));
  expect(warnings).toEqual([expect.stringMatching(/condition 2 .*matches no resource of matched:v1@production/)]);
});

test("every version stays, with who made it, also after the policy was removed", async () => {
  await anApi("history");
  const owner = ofApi("history");
  await replica.policies.applyPolicy(aPolicy(owner, "ids"));
  const same = await replica.policies.applyPolicy(aPolicy(owner, "ids"));
  expect(same.changed).toBe(false);
  await replica.policies.applyPolicy({ ...aPolicy(owner, "ids", { enabled: false }), requestedBy: "bob" });
  expect(
    await errorOf(replica.policies.applyPolicy(aPolicy(owner, "ids", { baseVersion: 1n, enabled: true }))),
  ).toMatchObject({
    code: "POLICY_CHANGED",
  });
  await replica.policies.removePolicy({ ...asked(), owner, name: "ids" });
  const { versions } = await replica.policies.listPolicyVersions({
    org,
    owner,
    name: "ids",
    pageSize: 0,
    pageToken: "",
  });
  expect(versions.map(({ action, policy }) => [action, policy?.version, policy?.updatedBy, policy?.enabled])).toEqual([
    ["removed", 3n, "alice", false],
    ["changed", 2n, "bob", false],
    ["created", 1n, "alice", true],
  ]);
});

test("policies keep a dense order: inserted, reordered, removed", async () => {
  await anApi("order");
  const owner = ofApi("order");
  for (const name of ["a", "b", "c"]) await replica.policies.applyPolicy(aPolicy(owner, name));
  await replica.policies.applyPolicy(aPolicy(owner, "first", { order: 1 }));
  expect(await names(owner)).toEqual(["first", "a", "b", "c"]);
  await replica.policies.reorderPolicies({ ...asked(), owner, names: ["c", "b", "a", "first"] });
  await replica.policies.removePolicy({ ...asked(), owner, name: "b" });
  const { policies } = await replica.policies.listPolicies({ org, owner, pageSize: 0, pageToken: "" });
  expect(policies.map(({ name, order }) => [name, order])).toEqual([
    ["c", 1],
    ["a", 2],
    ["first", 3],
  ]);
  for (const wrong of [
    ["c", "a"],
    ["c", "a", "a"],
    ["c", "a", "first", "b"],
  ]) {
    const error = await errorOf(replica.policies.reorderPolicies({ ...asked(), owner, names: wrong }));
    expect(error.code).toBe("POLICY_ORDER_INVALID");
  }
});

test("an automated policy is in the document of every API of its environment, before its own, and of none else", async () => {
  const key = (name: string, environment: string) => aKey(name, { environment });
  for (const [name, environment] of [
    ["auto-1", "staging"],
    ["auto-2", "staging"],
    ["auto-3", "testing"],
  ] as const) {
    await replica.apis.createApi({
      ...asked(),
      key: key(name, environment),
      description: "",
      openapi: "",
      autoApprove: false,
    });
  }
  const own: PolicyOwner = { owner: { $case: "api", value: key("auto-1", "staging") } };
  await replica.policies.applyPolicy(aPolicy(own, "own"));
  await replica.policies.applyPolicy(aPolicy(ofEnvironment("staging"), "for-all"));
  const fabricId = randomUUID();
  const bound = [key("auto-1", "staging"), key("auto-2", "staging"), key("auto-3", "testing")];
  world.bindings.ofFabric.set(
    fabricId,
    bound.map((api) => aBinding(api)),
  );
  await expect.poll(() => errorOf(fetchTree(world.ca, replica, fabricId))).toMatchObject({ code: "undefined" });
  const { apis } = await fetchTree(world.ca, replica, fabricId);
  const policiesOf = (api: string) => apis.get(api)?.document.policies.map(({ name, automated }) => [name, automated]);
  expect(policiesOf("auto-1:v1@staging")).toEqual([
    ["for-all", true],
    ["own", false],
  ]);
  expect(policiesOf("auto-2:v1@staging")).toEqual([["for-all", true]]);
  expect(policiesOf("auto-3:v1@testing")).toEqual([]);
});

test("records are brought under a new key, and the old one opens nothing that is needed any more", async () => {
  await anApi("rewrapped");
  const owner = ofApi("rewrapped");
  await replica.policies.applyPolicy(aPolicy(owner, "kept"));
  await replica.policies.applyPolicy(aPolicy(owner, "gone"));
  await replica.policies.removePolicy({ ...asked(), owner, name: "gone" });
  const fresh = randomBytes(32).toString("base64url");
  const before = await readFile(world.kekFile, "utf8");
  const keks = parseKeyEncryptionKeys(`${fresh}\n${before}`);
  expect(await rewrapAll(world.store, keks)).toBeGreaterThan(4);
  expect(await rewrapAll(world.store, parseKeyEncryptionKeys(fresh))).toBe(0);
  await writeFile(world.kekFile, fresh);
  await using other = await world.start();
  const shown = await other.policies.listPolicies({ org, owner, pageSize: 0, pageToken: "" });
  expect(shown.policies.map(({ name }) => name)).toEqual(["kept"]);
  const history = { org, owner, name: "gone", pageSize: 0, pageToken: "" };
  expect((await other.policies.listPolicyVersions(history)).versions).toHaveLength(2);
  // The other replica still has the old key only.
  await rewrapAll(world.store, parseKeyEncryptionKeys(`${before}\n${fresh}`));
  await writeFile(world.kekFile, before);
});

test("a request_id stands for one change for ever; one that told a secret is not told again", async () => {
  const request = { ...asked(), key: aKey("once"), description: "", openapi: "", autoApprove: false };
  const first = await replica.apis.createApi(request);
  expect(await replica.apis.createApi(request)).toEqual(first);
  expect(await errorOf(replica.apis.createApi({ ...request, description: "other" }))).toMatchObject({
    code: "REQUEST_ID_REUSED",
  });
  const client = { ...asked(), name: "once", description: "" };
  const { clientSecret } = await replica.clients.createClient(client);
  expect(clientSecret).toMatch(/^[\w-]{43}$/);
  expect(await errorOf(replica.clients.createClient(client))).toMatchObject({ code: "REQUEST_ID_REUSED" });
});

test("a rotation leaves the earlier secret valid for the overlap, and without one ends it at once", async () => {
  await replica.clients.createClient({ ...asked(), name: "rotating", description: "" });
  const rotate = (overlapSeconds: number) =>
    replica.clients.rotateClientSecret({ ...asked(), client: "rotating", overlapSeconds });
  const { client } = await rotate(3_600);
  expect(client?.secrets.map(({ notAfter }) => notAfter !== undefined)).toEqual([false, true]);
  expect((await rotate(0)).client?.secrets).toHaveLength(1);
});
