import {
  CertificateAuthorityServiceClient,
  FabricProfile,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import {
  chainToPem,
  createCsr,
  derToPem,
  generateKeyPair,
  IdentityHolder,
  type IdentitySnapshot,
} from "@drawbridge/pki";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { createGrpcClient } from "@drawbridge/rpc";
import { openStore, sql } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import type { AgentFile, AgentSeed } from "./agent-protocol.ts";

const batchSize = 1_000;
/** Certificates in work at once while seeding. */
const concurrency = 64;
export const org = "bench";
export const environment = "prod";

interface Authority {
  readonly address: string;
  /** Of runtime-manager, which asks in the agents' names. */
  readonly identity: IdentitySnapshot;
}

/**
 * Fabrics that were activated long ago: their rows, and agents whose certificates are in use and have been seen, so
 * that what is measured is the tunnel and not the first visit to the certificate authority.
 */
export async function seedAgents(options: {
  readonly authority: Authority;
  readonly databaseUrl: string;
  readonly schema: string;
  readonly count: number;
}): Promise<AgentFile> {
  const { authority, count } = options;
  const keyPair = await generateKeyPair();
  const csrDer = Buffer.from(await createCsr(keyPair));
  const client = createGrpcClient(CertificateAuthorityServiceClient, {
    address: authority.address,
    identity: new IdentityHolder(authority.identity),
    expectedServer: "/cp/cert-authority",
    logger: createLogger({ service: "bench", level: "fatal", format: "json" }),
    timeoutMs: 60_000,
  });

  async function seed(n: number): Promise<{ readonly agent: AgentSeed; readonly row: object }> {
    const [fabricId, agentId, requestId] = [uuidV7Ids.next(), uuidV7Ids.next(), uuidV7Ids.next()];
    const profile = FabricProfile.FABRIC_PROFILE_AGENT;
    const issued = { csrDer, profile, org, fabricId, subjectId: agentId, requestId };
    const { certificate } = await client.call.issueFabricCertificate(issued);
    if (!certificate) throw new Error("cert-authority answered without a certificate");
    const { serialNumber, notBefore, notAfter } = certificate;
    await client.call.activateCertificate({ serialNumber });
    const fabricName = `fabric-${n}`;
    const certificateChainPem = chainToPem([certificate.certificateDer, ...certificate.chainDer]);
    return {
      agent: { fabricId, agentId, fabricName, certificateChainPem },
      row: {
        fabric_id: fabricId,
        agent_id: agentId,
        name: fabricName,
        serial_number: serialNumber,
        not_before: notBefore,
        not_after: notAfter,
      },
    };
  }

  const seeds: Awaited<ReturnType<typeof seed>>[] = [];
  let next = 0;
  const keepSeeding = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      seeds[n] = await seed(n);
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, keepSeeding));
  } finally {
    await client.stop(AbortSignal.timeout(5_000));
  }
  await insert(
    options,
    seeds.map(({ row }) => row),
  );
  return {
    agents: seeds.map(({ agent }) => agent),
    privateKeyPem: keyPair.privateKeyPem(),
    rootsPem: authority.identity.trustBundle.rootsDer.map((der) => derToPem(der, "CERTIFICATE")),
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
