import { DrawbridgeError } from "@drawbridge/errors";
import { sql, type Store } from "@drawbridge/store";
import type { ApiManagerDatabase, LimitJson } from "./database.ts";
import type { Save } from "./save.ts";

export interface TierLimit {
  readonly requests: bigint;
  readonly periodMs: bigint;
}

export interface TierView {
  readonly tierId: string;
  readonly name: string;
  readonly description: string;
  readonly limits: readonly TierLimit[];
  /** undefined: as the API says. */
  readonly autoApprove: boolean | undefined;
  readonly contracts: number;
}

type Reader = Pick<Store<ApiManagerDatabase>, "db">["db"];

export async function listTiers(
  db: Reader,
  apiId: string,
  page: { readonly afterName: string; readonly limit: number },
): Promise<readonly TierView[]> {
  return readTiers(db, sql`api_id = ${apiId} AND name > ${page.afterName} ORDER BY name LIMIT ${page.limit}`);
}

/** @throws DrawbridgeError `TIER_NOT_FOUND` (not_found) */
export async function getTier(db: Reader, apiId: string, name: string): Promise<TierView> {
  const [tier] = await readTiers(db, sql`api_id = ${apiId} AND name = ${name}`);
  if (tier) return tier;
  throw new DrawbridgeError({
    kind: "not_found",
    code: "TIER_NOT_FOUND",
    message: "the API has no tier of this name; list them",
  });
}

async function readTiers(db: Reader, where: ReturnType<typeof sql>): Promise<readonly TierView[]> {
  const { rows } = await sql<{
    tier_id: string;
    name: string;
    description: string;
    limits: readonly LimitJson[];
    auto_approve: boolean | null;
    contracts: string;
  }>`
    SELECT page.*, (SELECT count(*) FROM contract WHERE contract.tier_id = page.tier_id AND state = 'approved') AS contracts
    FROM (SELECT * FROM tier WHERE ${where}) AS page ORDER BY page.name
  `.execute(db);
  return rows.map((row) => ({
    tierId: row.tier_id,
    name: row.name,
    description: row.description,
    limits: row.limits.map(({ requests, periodMs }) => ({ requests: BigInt(requests), periodMs: BigInt(periodMs) })),
    autoApprove: row.auto_approve ?? undefined,
    contracts: Number(row.contracts),
  }));
}

/** Make it, or change the one of this name. */
export async function applyTier(
  { tx, changed }: Save,
  apiId: string,
  tier: Omit<TierView, "contracts">,
): Promise<void> {
  const limits = JSON.stringify(
    tier.limits.map(({ requests, periodMs }): LimitJson => {
      return { requests: String(requests), periodMs: String(periodMs) };
    }),
  );
  const facts = { description: tier.description, limits, auto_approve: tier.autoApprove ?? null };
  await tx
    .insertInto("tier")
    .values({ tier_id: tier.tierId, api_id: apiId, name: tier.name, ...facts })
    .onConflict((conflict) => conflict.columns(["api_id", "name"]).doUpdateSet(facts))
    .execute();
  changed.policies(apiId);
}

/** Of an error's message: enough to find the others with `contract list`. */
const namedContracts = 10;

/**
 * Contracts that have ended keep their record without it.
 * @throws DrawbridgeError `TIER_IN_USE` (failed_precondition)
 */
export async function deleteTier({ tx, changed }: Save, apiId: string, tier: TierView): Promise<void> {
  const { rows } = await sql<{ name: string; contract_id: string; state: string; total: string }>`
    SELECT client.name, contract_id, state, count(*) OVER () AS total FROM contract JOIN client USING (client_id)
    WHERE tier_id = ${tier.tierId} AND state IN ('requested', 'approved') ORDER BY contract_id LIMIT ${namedContracts}
  `.execute(tx);
  if (rows.length > 0) {
    const more = Number(rows[0]?.total ?? 0) - rows.length;
    const named = rows.map((row) => `${row.contract_id} of "${row.name}" (${row.state})`).join(", ");
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "TIER_IN_USE",
      message: `contracts name this tier: ${named}${more > 0 ? ` and ${more} more` : ""}; give them another tier, or end them`,
      details: { contracts: String(rows.length + more) },
    });
  }
  await tx.updateTable("contract").set({ tier_id: null }).where("tier_id", "=", tier.tierId).execute();
  await tx.deleteFrom("tier").where("tier_id", "=", tier.tierId).execute();
  changed.policies(apiId);
}
