import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { sql, type Store } from "@drawbridge/store";
import type { ApiKey } from "../domain/api-key.ts";
import { pageKey } from "../domain/page.ts";
import type { ContractState } from "../domain/contract.ts";
import type { ApiManagerDatabase } from "./database.ts";
import type { Save } from "./save.ts";

export interface ContractView {
  readonly contractId: string;
  readonly apiId: string;
  readonly api: ApiKey;
  readonly clientId: string;
  readonly clientName: string;
  /** Empty without one. */
  readonly tier: string;
  readonly state: ContractState;
  readonly requestedAt: Date;
  readonly requestedBy: string;
  readonly decidedAt: Date | undefined;
  readonly decidedBy: string;
  readonly reason: string;
}

type Reader = Pick<Store<ApiManagerDatabase>, "db">["db"];

/** @throws DrawbridgeError `CONTRACT_NOT_FOUND` (not_found) */
export async function getContract(db: Reader, org: string, contractId: string): Promise<ContractView> {
  const [contract] = await readContractViews(db, sql`contract.org = ${org} AND contract_id = ${contractId}`);
  if (contract) return contract;
  throw new DrawbridgeError({
    kind: "not_found",
    code: "CONTRACT_NOT_FOUND",
    message: "there is no contract with this id; list them",
  });
}

/** Newest first: ids are made in the order of time. */
export async function listContracts(
  db: Reader,
  asked: {
    readonly org: string;
    /** None: all. */
    readonly environments: readonly string[];
    readonly apiId: string | undefined;
    readonly clientId: string | undefined;
    readonly state: ContractState | undefined;
    readonly before: string | undefined;
    readonly limit: number;
  },
): Promise<readonly ContractView[]> {
  const { org, environments, apiId, clientId, state, before, limit } = asked;
  return readContractViews(
    db,
    sql`contract.org = ${org}
      AND (cardinality(${environments}::text[]) = 0 OR api.environment = ANY(${environments}::text[]))
      ${apiId === undefined ? sql`` : sql`AND contract.api_id = ${apiId}`}
      ${clientId === undefined ? sql`` : sql`AND contract.client_id = ${clientId}`}
      ${state === undefined ? sql`` : sql`AND contract.state = ${state}`}
      ${before === undefined ? sql`` : sql`AND contract_id < ${before}`}
      ORDER BY contract_id DESC LIMIT ${limit}`,
  );
}

async function readContractViews(db: Reader, where: ReturnType<typeof sql>): Promise<readonly ContractView[]> {
  const { rows } = await sql<{
    contract_id: string;
    api_id: string;
    environment: string;
    api_name: string;
    version: string;
    client_id: string;
    client_name: string;
    tier_name: string | null;
    state: ContractState;
    requested_at: Date;
    requested_by: string;
    decided_at: Date | null;
    decided_by: string;
    reason: string;
  }>`
    SELECT contract_id, contract.api_id, api.environment, api.name AS api_name, api.version, contract.client_id,
      client.name AS client_name, tier.name AS tier_name, state, requested_at, requested_by, decided_at, decided_by, reason
    FROM contract JOIN api ON api.api_id = contract.api_id JOIN client ON client.client_id = contract.client_id
      LEFT JOIN tier ON tier.tier_id = contract.tier_id
    WHERE ${where}
  `.execute(db);
  return rows.map((row) => ({
    contractId: row.contract_id,
    apiId: row.api_id,
    api: { environment: row.environment, name: row.api_name, version: row.version },
    clientId: row.client_id,
    clientName: row.client_name,
    tier: row.tier_name ?? "",
    state: row.state,
    requestedAt: row.requested_at,
    requestedBy: row.requested_by,
    decidedAt: row.decided_at ?? undefined,
    decidedBy: row.decided_by,
    reason: row.reason,
  }));
}

export interface NewContract {
  readonly contractId: string;
  readonly apiId: string;
  readonly clientId: string;
  readonly tierId: string | undefined;
  readonly state: "requested" | "approved";
}

/** @throws DrawbridgeError `CONTRACT_ALREADY_EXISTS` (already_exists) */
export async function insertContract(
  { tx, org, now, requestedBy, changed }: Save,
  contract: NewContract,
): Promise<void> {
  const isApproved = contract.state === "approved";
  try {
    await tx
      .insertInto("contract")
      .values({
        contract_id: contract.contractId,
        org,
        api_id: contract.apiId,
        client_id: contract.clientId,
        tier_id: contract.tierId ?? null,
        state: contract.state,
        page_key: pageKey(contract.clientId),
        requested_at: now,
        requested_by: requestedBy,
        decided_at: isApproved ? now : null,
        decided_by: isApproved ? "automatic" : "",
        reason: "",
      })
      .execute();
  } catch (error) {
    if (!isDrawbridgeError(error, "STORE_UNIQUE_VIOLATION")) throw error;
    throw new DrawbridgeError({
      kind: "already_exists",
      code: "CONTRACT_ALREADY_EXISTS",
      message: "this client application has a contract with this API, or has requested one",
      cause: error,
    });
  }
  if (isApproved) changed.contract(contract.apiId, contract.clientId);
}

/** Decide on a contract: the caller has checked, behind the organisation's lock, that it may become that. */
export async function decideContract(
  { tx, now, requestedBy, changed }: Save,
  contract: ContractView,
  decision: {
    readonly state: ContractState;
    readonly reason: string;
    /** undefined: as it was; null: none. */
    readonly tierId?: string | null | undefined;
  },
): Promise<void> {
  const { state, reason, tierId } = decision;
  await tx
    .updateTable("contract")
    .set({
      state,
      reason,
      ...(tierId === undefined ? {} : { tier_id: tierId }),
      decided_at: now,
      decided_by: requestedBy,
    })
    .where("contract_id", "=", contract.contractId)
    .execute();
  if (state === "approved" || contract.state === "approved") changed.contract(contract.apiId, contract.clientId);
}
