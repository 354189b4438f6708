import { createHash, randomUUID } from "node:crypto";
import { ApiDocument } from "@drawbridge/contracts/apis/v1/configuration";
import { sql } from "@drawbridge/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pageKey } from "../src/domain/page.ts";
import { fetchTree } from "./support/tree.ts";
import { aBinding, aKey, asked, startWorld, type Replica, type World } from "./support/world.ts";

const contracts = 100_000;
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

/** Clients and contracts as a migration from elsewhere would bring them: rows, without their pages. */
async function fillContracts(apiId: string): Promise<void> {
  const batch = 20_000;
  for (let start = 0; start < contracts; start += batch) {
    const ids = Array.from({ length: batch }, (_, index) =>
      createHash("sha256")
        .update(`client ${start + index}`)
        .digest("hex")
        .slice(0, 32),
    );
    const uuids = ids.map(() => randomUUID());
    const { db } = world.store;
    await sql`
      INSERT INTO client (client_id, org, name, description, created_at, created_by)
      SELECT id, 'acme', 'client ' || id, '', now(), 'migration' FROM unnest(${ids}::text[]) AS id
    `.execute(db);
    await sql`
      INSERT INTO client_secret (secret_id, client_id, sha256, created_at)
      SELECT uuid, id, sha256(id::bytea), now() FROM unnest(${uuids}::uuid[], ${ids}::text[]) AS one (uuid, id)
    `.execute(db);
    await sql`
      INSERT INTO contract (contract_id, org, api_id, client_id, state, page_key, requested_at, requested_by, decided_by, reason)
      SELECT uuid, 'acme', ${apiId}::uuid, id, 'approved', key, now(), 'migration', 'migration', ''
      FROM unnest(${uuids}::uuid[], ${ids}::text[], ${ids.map((id) => pageKey(id))}::bigint[]) AS one (uuid, id, key)
    `.execute(db);
  }
  await sql`ANALYZE`.execute(world.store.db);
}

/** Bytes of all objects that are stored. */
async function storedBytes(): Promise<number> {
  const { rows } = await sql<{ bytes: string }>`
    SELECT (SELECT sum(length(bytes)) FROM api_object) + (SELECT sum(length(bytes)) FROM fabric_object) AS bytes
  `.execute(world.store.db);
  return Number(rows[0]?.bytes ?? 0);
}

test("of an API with 100,000 contracts one change writes four small objects, not the whole", async () => {
  const key = aKey("large");
  const { api } = await replica.apis.createApi({ ...asked(), key, description: "", openapi: "", autoApprove: true });
  const fabricId = randomUUID();
  world.bindings.ofFabric.set(fabricId, [aBinding(key)]);
  await fillContracts(api?.apiId ?? "");
  const newContract = async (name: string): Promise<string> => {
    await replica.clients.createClient({ ...asked(), name, description: "" });
    const request = { ...asked(), api: key, client: name, tier: "" };
    const made = await replica.contracts.requestContract(request, { timeoutMs: 60_000 });
    return made.contract?.contractId ?? "";
  };
  const beganAt = performance.now();
  await newContract("first"); // makes all pages, once
  const allPagesMs = performance.now() - beganAt;
  const whole = await storedBytes();
  expect(whole).toBeGreaterThan(10_000_000);
  const before = await fetchTree(world.ca, replica, fabricId);
  expect(before.apis.get("large:v1@production")?.contracts).toHaveLength(contracts + 1);

  const contractId = await newContract("second");
  const written = (await storedBytes()) - whole;
  const after = await fetchTree(world.ca, replica, fabricId);
  const fresh = [...after.digests].filter((digest) => !before.digests.has(digest));
  expect(fresh).toHaveLength(3); // a page, the document, the page of the index; the fourth is the root
  expect(written).toBeLessThan(64 * 1024);
  expect(after.apis.get("large:v1@production")?.document.contractCount).toBe(contracts + 2);

  const document = after.apis.get("large:v1@production")?.document ?? ApiDocument.create();
  expect(ApiDocument.encode(document).finish().length).toBeLessThan(48 * 1024);

  const durations: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const startedAt = performance.now();
    await replica.clients.rotateClientSecret({ ...asked(), client: "second", overlapSeconds: 0 });
    durations.push(performance.now() - startedAt);
  }
  const median = durations.toSorted((a, b) => a - b)[10] ?? 0;
  await replica.contracts.revokeContract({ ...asked(), contractId, reason: "" });
  const revoked = await fetchTree(world.ca, replica, fabricId);
  expect(revoked.apis.get("large:v1@production")?.document.contractCount).toBe(contracts + 1);
  console.info(
    `one change: ${written} of ${whole} bytes, ${median.toFixed(0)} ms (median of 20, call to commit); all pages: ${allPagesMs.toFixed(0)} ms`,
  );
});
