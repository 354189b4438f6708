import { chainToPem, derToPem, generateKeyPair, spiffeId } from "@drawbridge/pki";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { openStore, sql } from "@drawbridge/store";
import type { TestCa } from "@drawbridge/testkit";
import type { AgentFile, AgentSeed } from "./agent-protocol.ts";

const batchSize = 1_000;
export const org = "bench";
export const environment = "prod";

/**
 * Fabrics that were activated long ago: their rows, and agents whose certificates have been seen, so that what is
 * measured is the tunnel and not the first visit to the certificate authority.
 */
export async function seedAgents(options: {
  readonly ca: TestCa;
  readonly databaseUrl: string;
  readonly schema: string;
  readonly count: number;
}): Promise<AgentFile> {
  const { ca, count } = options;
  const keyPair = await generateKeyPair();
  const agents: AgentSeed[] = [];
  const rows: object[] = [];
  for (let n = 0; n < count; n += 1) {
    const [fabricId, agentId] = [uuidV7Ids.next(), uuidV7Ids.next()];
    const name = spiffeId.agent({ trustDomain: ca.trustDomain, org, fabricId, agentId });
    const leaf = await ca.sign(keyPair.spkiDer, name);
    agents.push({
      fabricId,
      agentId,
      fabricName: `fabric-${n}`,
      certificateChainPem: chainToPem([leaf.certificateDer, ca.issuingDer]),
    });
    rows.push({
      fabric_id: fabricId,
      agent_id: agentId,
      name: `fabric-${n}`,
      serial_number: leaf.serialNumber,
      not_before: leaf.notBefore,
      not_after: leaf.notAfter,
    });
  }
  await insert(options, rows);
  return {
    agents,
    privateKeyPem: keyPair.privateKeyPem(),
    rootsPem: ca.trustBundle.rootsDer.map((der) => derToPem(der, "CERTIFICATE")),
  };
}

async function insert(
  options: { readonly databaseUrl: string; readonly schema: string },
  rows: readonly object[],
): Promise<void> {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const store = openStore<Record<string, never>>({ url: options.databaseUrl, schema: options.schema, logger: silent });
  await store.start(AbortSignal.timeout(10_000));
  try {
    for (let from = 0; from < rows.length; from += batchSize) {
      const batch = JSON.stringify(rows.slice(from, from + batchSize));
      await sql`
        WITH seed AS (
          SELECT * FROM jsonb_to_recordset(${batch}::jsonb) AS seed (fabric_id uuid, agent_id uuid, name text,
            serial_number text, not_before timestamptz, not_after timestamptz)
        ),
        fabrics AS (
          INSERT INTO fabric (fabric_id, org, name, region, environments, generation_at, created_at)
          SELECT fabric_id, ${org}, name, '', ARRAY[${environment}], now(), now() FROM seed
        )
        INSERT INTO certificate (serial_number, agent_id, fabric_id, not_before, not_after)
        SELECT serial_number, agent_id, fabric_id, not_before, not_after FROM seed
      `.execute(store.db);
    }
    await sql`ANALYZE`.execute(store.db);
  } finally {
    await store.stop(AbortSignal.timeout(5_000));
  }
}
