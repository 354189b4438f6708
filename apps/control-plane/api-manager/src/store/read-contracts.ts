import type { Contract } from "@drawbridge/contracts/apis/v1/configuration";
import { sql } from "@drawbridge/store";
import type { Save } from "./save.ts";

interface ContractRow {
  readonly contract_id: string;
  readonly client_id: string;
  readonly client_name: string;
  readonly tier_id: string | null;
  readonly sha256: Buffer | null;
  readonly not_after: Date | null;
}

/** The contracts in force of an API, or those of some keys, sorted by client id, with the secrets that are valid now. */
export async function readContracts(
  { tx, now }: Pick<Save, "tx" | "now">,
  apiId: string,
  keys: { readonly first: number; readonly last: number } | undefined,
): Promise<readonly Contract[]> {
  const range = keys ? sql`AND contract.page_key BETWEEN ${keys.first} AND ${keys.last}` : sql``;
  const { rows } = await sql<ContractRow>`
    SELECT contract_id, client.client_id, client.name AS client_name, tier_id, sha256, not_after
    FROM contract JOIN client USING (client_id)
      LEFT JOIN client_secret AS secret ON secret.client_id = client.client_id AND (not_after IS NULL OR not_after > ${now})
    WHERE api_id = ${apiId} AND state = 'approved' ${range}
    ORDER BY client.client_id COLLATE "C", secret.created_at DESC, secret_id
  `.execute(tx);
  const contracts: Contract[] = [];
  for (const row of rows) {
    const last = contracts.at(-1);
    const secret =
      row.sha256 === null
        ? []
        : [{ sha256: row.sha256, ...(row.not_after === null ? {} : { notAfter: row.not_after }) }];
    if (last?.contractId === row.contract_id) {
      last.secrets.push(...secret);
      continue;
    }
    contracts.push({
      contractId: row.contract_id,
      clientId: row.client_id,
      clientName: row.client_name,
      secrets: secret,
      tierId: row.tier_id ?? "",
    });
  }
  return contracts;
}
