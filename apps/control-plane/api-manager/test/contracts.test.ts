import { createHash, randomUUID } from "node:crypto";
import { ContractState } from "@drawbridge/contracts/apis/v1/contract_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { afterAll, beforeAll, expect, test } from "vitest";
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

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "no error",
    (error: unknown) => (isDrawbridgeError(error) ? error.code : String(error)),
  );

async function anApi(name: string, autoApprove = false): Promise<void> {
  await replica.apis.createApi({ ...asked(), key: aKey(name), description: "", openapi: "", autoApprove });
}

async function aClient(name: string): Promise<{ readonly clientId: string; readonly secret: string }> {
  const { client, clientSecret } = await replica.clients.createClient({ ...asked(), name, description: "" });
  return { clientId: client?.clientId ?? "", secret: clientSecret };
}

const applyTier = (api: string, name: string, autoApprove?: boolean, requests = 5n) =>
  replica.contracts.applyTier({
    ...asked(),
    api: aKey(api),
    name,
    description: "",
    limits: [{ requests, periodMs: 1_000n }],
    autoApprove,
  });

const request = (api: string, client: string, tier = "") =>
  replica.contracts.requestContract({ ...asked(), api: aKey(api), client, tier });

async function aBoundFabric(...names: readonly string[]): Promise<string> {
  const fabricId = randomUUID();
  world.bindings.ofFabric.set(
    fabricId,
    names.map((name) => aBinding(aKey(name))),
  );
  await expect.poll(() => codeOf(replica.configuration.getRoot({ fabricId, haveDigest: "" }))).toBe("no error");
  return fabricId;
}

test("a contract waits for approval unless the API or its tier says otherwise, the tier first", async () => {
  await anApi("asks");
  await anApi("trusts", true);
  await aClient("shop");
  expect((await request("asks", "shop")).contract?.state).toBe(ContractState.CONTRACT_STATE_REQUESTED);
  expect((await request("trusts", "shop")).contract).toMatchObject({
    state: ContractState.CONTRACT_STATE_APPROVED,
    decidedBy: "automatic",
  });
  expect(await codeOf(request("asks", "shop"))).toBe("CONTRACT_ALREADY_EXISTS");
  await anApi("tiers", true);
  await applyTier("tiers", "gold", false);
  await applyTier("tiers", "free");
  await aClient("kiosk");
  expect(await codeOf(request("tiers", "shop"))).toBe("TIER_REQUIRED");
  expect(await codeOf(request("tiers", "shop", "lead"))).toBe("TIER_NOT_FOUND");
  expect((await request("tiers", "shop", "gold")).contract?.state).toBe(ContractState.CONTRACT_STATE_REQUESTED);
  expect((await request("tiers", "kiosk", "free")).contract?.state).toBe(ContractState.CONTRACT_STATE_APPROVED);
});

test("only contracts in force are in the tree, with their tier; another tier is there at once", async () => {
  await anApi("tree");
  await applyTier("tree", "gold");
  await applyTier("tree", "silver", undefined, 7n);
  const fabricId = await aBoundFabric("tree");
  const { clientId, secret } = await aClient("in-tree");
  const { contract } = await request("tree", "in-tree", "gold");
  const contractId = contract?.contractId ?? "";
  const apiOf = async () => (await fetchTree(world.ca, replica, fabricId)).apis.get("tree:v1@production");
  expect((await apiOf())?.contracts).toEqual([]);
  await replica.contracts.approveContract({ ...asked(), contractId, tier: "" });
  const approved = await apiOf();
  const tierId = (name: string) => approved?.document.tiers.find((tier) => tier.name === name)?.tierId;
  expect(approved?.contracts).toMatchObject([{ clientId, tierId: tierId("gold") }]);
  const [digest] = approved?.contracts[0]?.secrets ?? [];
  expect(digest?.sha256).toEqual(createHash("sha256").update(secret).digest());
  await replica.contracts.changeContractTier({ ...asked(), contractId, tier: "silver" });
  expect((await apiOf())?.contracts).toMatchObject([{ clientId, tierId: tierId("silver") }]);
  await applyTier("tree", "silver", undefined, 9n);
  const tiers = (await apiOf())?.document.tiers.filter((tier) => tier.name === "silver");
  expect(tiers?.map((tier) => tier.limits[0]?.requests)).toEqual([9n]);
});

test("a rotation brings both secrets to every API of the client, the old one with its end", async () => {
  await anApi("rotated-1", true);
  await anApi("rotated-2", true);
  const fabricId = await aBoundFabric("rotated-1", "rotated-2");
  await aClient("rotating");
  await request("rotated-1", "rotating");
  await request("rotated-2", "rotating");
  const { clientSecret } = await replica.clients.rotateClientSecret({
    ...asked(),
    client: "rotating",
    overlapSeconds: 60,
  });
  const { apis } = await fetchTree(world.ca, replica, fabricId);
  for (const api of apis.values()) {
    const [contract] = api?.contracts ?? [];
    expect(contract?.secrets.map(({ notAfter }) => notAfter !== undefined)).toEqual([false, true]);
    expect(contract?.secrets[0]?.sha256).toEqual(createHash("sha256").update(clientSecret).digest());
  }
});

test("a client that is revoked is out of every tree, for ever, and its name is free again", async () => {
  await anApi("ended", true);
  const fabricId = await aBoundFabric("ended");
  await aClient("leaving");
  await request("ended", "leaving");
  const gone = await replica.clients.revokeClient({ ...asked(), client: "leaving" });
  expect(gone).toMatchObject({ revokedContracts: 1, client: { secrets: [], contracts: 0 } });
  expect((await fetchTree(world.ca, replica, fabricId)).apis.get("ended:v1@production")?.contracts).toEqual([]);
  expect(await codeOf(request("ended", "leaving"))).toBe("CLIENT_REVOKED");
  expect(await codeOf(replica.clients.rotateClientSecret({ ...asked(), client: "leaving", overlapSeconds: 0 }))).toBe(
    "CLIENT_REVOKED",
  );
  await aClient("leaving");
  expect((await request("ended", "leaving")).contract?.state).toBe(ContractState.CONTRACT_STATE_APPROVED);
});

test("a tier that contracts use is not deleted, and the error names them; afterwards it is gone from the tree", async () => {
  await anApi("tiered");
  await applyTier("tiered", "gold");
  await applyTier("tiered", "silver");
  const fabricId = await aBoundFabric("tiered");
  await aClient("user-of-gold");
  const contractId = (await request("tiered", "user-of-gold", "gold")).contract?.contractId ?? "";
  const remove = (name: string) => replica.contracts.deleteTier({ ...asked(), api: aKey("tiered"), name });
  const refused: unknown = await remove("gold").catch((thrown: unknown) => thrown);
  expect(refused).toMatchObject({ code: "TIER_IN_USE", kind: "failed_precondition", details: { contracts: "1" } });
  expect(String(refused)).toContain(`${contractId} of "user-of-gold" (requested)`);
  await replica.contracts.approveContract({ ...asked(), contractId, tier: "silver" });
  await remove("gold");
  const { apis } = await fetchTree(world.ca, replica, fabricId);
  expect(apis.get("tiered:v1@production")?.document.tiers.map(({ name }) => name)).toEqual(["silver"]);
  expect(await codeOf(remove("gold"))).toBe("TIER_NOT_FOUND");
  expect(await codeOf(remove("silver"))).toBe("TIER_IN_USE");
  await replica.contracts.revokeContract({ ...asked(), contractId, reason: "" });
  await remove("silver");
  expect((await replica.contracts.getContract({ org, contractId })).contract).toMatchObject({ tier: "" });
});

test("an API goes with its tiers and contracts; its clients stay", async () => {
  await anApi("going", true);
  await applyTier("going", "gold");
  await aClient("staying");
  const contractId = (await request("going", "staying", "gold")).contract?.contractId ?? "";
  await replica.apis.deleteApi({ ...asked(), key: aKey("going"), force: false });
  expect(await codeOf(replica.contracts.getContract({ org, contractId }))).toBe("CONTRACT_NOT_FOUND");
  const { client } = await replica.clients.getClient({ org, client: "staying" });
  expect(client).toMatchObject({ contracts: 0, revokedAt: undefined });
});

test("lists go page by page, and of one state, API or client", async () => {
  await anApi("listed", true);
  for (const name of ["l-1", "l-2", "l-3"]) {
    await aClient(name);
    await request("listed", name);
  }
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await replica.contracts.listContracts({
      org,
      environments: ["production"],
      api: aKey("listed"),
      client: "",
      state: ContractState.CONTRACT_STATE_APPROVED,
      pageSize: 2,
      pageToken,
    });
    seen.push(...page.contracts.map(({ clientName }) => clientName));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(["l-3", "l-2", "l-1"]);
});

test.each([
  ["no limit", [], "field:limits"],
  ["a limit of nothing", [{ requests: 0n, periodMs: 1_000n }], "field:limits[0].requests"],
  ["a period below a second", [{ requests: 1n, periodMs: 999n }], "field:limits[0].periodMs"],
  [
    "one period twice",
    [
      { requests: 1n, periodMs: 1_000n },
      { requests: 2n, periodMs: 1_000n },
    ],
    "field:limits[1].periodMs",
  ],
])("a tier with %s is refused, naming the field", async (_what, limits, field) => {
  const key = aKey("ended");
  const error: unknown = await replica.contracts
    .applyTier({ ...asked(), api: key, name: "bad", description: "", limits })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "TIER_INVALID", details: { [field]: expect.any(String) as string } });
});
