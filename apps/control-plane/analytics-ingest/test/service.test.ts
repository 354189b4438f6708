import { join } from "node:path";
import { createGrantSigner } from "@drawbridge/analytics-access";
import { AnalyticsServiceClient, Measure } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import {
  certAuthorityMigrations,
  createAnalyticsIngestProcess,
  createTestLogger,
  startCertAuthority,
  startTestNats,
  startTestPostgres,
  tempDir,
} from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { aBatch } from "./support/a-batch.ts";
import { bearer, connectGateway, packed } from "./support/send.ts";

const fabricId = "01890000-0000-7000-8000-000000000001";
const hourMs = 3_600_000;

test("what a gateway was told is kept can be asked for, each request once, also after a kill of the service (ANA)", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const postgres = stack.use(await startTestPostgres());
  const nats = stack.use(await startTestNats());
  const database = stack.use(
    await postgres.createDatabase({ schema: "cert_authority", migrations: certAuthorityMigrations }),
  );
  const certAuthority = stack.use(await startCertAuthority({ dir: dir.path, database, nats }));
  const identityOf = (service: string) => loadIdentityDir(join(certAuthority.identitiesDir, service), new Date());
  const service = stack.use(
    await createAnalyticsIngestProcess({
      dir: dir.path,
      identityDir: join(certAuthority.identitiesDir, "analytics-ingest"),
      certAuthorityAddress: certAuthority.address,
      nats,
    }),
  );
  await service.start();

  const manager = await identityOf("runtime-manager");
  const token = createGrantSigner(() => manager)({
    fabricId,
    environments: ["production"],
    issuedAt: new Date(),
    expiresAt: new Date(Date.now() + hourMs),
    tokenId: "01890000-0000-7000-8000-0000000000ff",
  });
  const headers = { ...bearer(token), "content-encoding": "zstd" };
  const at = { ca: manager, port: Number(service.fabricAddress.split(":")[1]) };
  const bodies = [1n, 2n, 3n, 4n].map((sequence) => packed(aBatch({ sequence, rows: 250 })));
  /** Also what was answered before: the gateway does not know whether the answer was lost. */
  const sendAll = async (some: readonly Uint8Array[]): Promise<void> => {
    await using gateway = await connectGateway(at);
    for (const body of some) {
      await expect.poll(() => gateway.send(body, headers)).toMatchObject({ status: 200, json: { accepted: 250 } });
    }
  };
  const client = stack.adopt(
    createGrpcClient(AnalyticsServiceClient, {
      address: service.address,
      expectedServer: "/cp/analytics-ingest",
      identity: new IdentityHolder(await identityOf("management-api")),
      logger: createTestLogger().logger,
    }),
    (each) => each.stop(AbortSignal.timeout(1_000)),
  );
  const selection = {
    environments: ["production"],
    from: new Date(Date.now() - hourMs),
    to: new Date(Date.now() + hourMs),
    filters: [],
  };
  const measures = [Measure.MEASURE_REQUESTS];
  const intake = () => client.call.getIntake({ fabricId: "" }, { idempotent: true });
  const waiting = async (): Promise<bigint> => (await intake()).waitingBatches;
  const requests = async (): Promise<number | undefined> => {
    const question = { selection, timeZone: "", bucket: 0 as const, groupBy: [], measures, limit: 0 };
    const { rows } = await client.call.query(question, { idempotent: true });
    return rows[0]?.values[0];
  };
  await sendAll(bodies.slice(0, 2));
  await expect.poll(requests).toBe(500);
  await expect.poll(waiting).toBe(0n);
  await service.kill();
  await service.start();
  await sendAll(bodies);
  await expect.poll(requests).toBe(1_000);
  await expect.poll(waiting).toBe(0n);
  const { gateways, deadLetters } = await intake();
  expect(gateways).toMatchObject([{ fabricId, gatewayId: "gateway-1", requests: 1_000n, missing: [] }]);
  expect(deadLetters).toBe(0n);
});
