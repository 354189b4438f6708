import { freePort } from "@drawbridge/testkit";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { AddressDetail, ApiDocument, ContractPage } from "@drawbridge/contracts/apis/v1/configuration";
import { expect, test } from "vitest";
import { aListener, anApp, startWorker } from "./support/worker-thread.ts";
import type { ApiSet, Verdict } from "../src/workers/protocol.ts";

const secret = "s".repeat(43);
const page = ContractPage.encode({
  contracts: [
    {
      contractId: "contract",
      clientId: "shop",
      clientName: "Shop",
      secrets: [{ sha256: createHash("sha256").update(secret).digest(), notAfter: undefined }],
      tierId: "",
    },
  ],
}).finish();

/** An API with one policy. */
function aSet(setId: string, type: string, configuration: unknown): ApiSet {
  const policy = {
    policyId: "p1",
    type,
    name: "who calls",
    order: 1,
    configurationJson: JSON.stringify(configuration),
  };
  const document = ApiDocument.encode(
    ApiDocument.fromPartial({
      apiId: "api-1",
      name: "orders",
      version: "1",
      environment: "prod",
      revision: 1n,
      policies: [policy],
      contractPages: [createHash("sha256").update(page).digest()],
      contractCount: 1,
      analytics: { clientAddress: AddressDetail.ADDRESS_DETAIL_TRUNCATED, userAgent: true },
    }),
  ).finish();
  return { setId, document, contractPages: [page], assets: [] };
}

test("a tracked request is judged by its gate and its policies, and is told of once its API is known (GK 1, ANA 2)", async () => {
  const upstream = createServer((_request, response) => response.end("orders")).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const address = upstream.address();
  const upstreamPort = typeof address === "object" && address !== null ? address.port : 0;
  await using worker = await startWorker({ settings: { shedDelayMs: 60_000 } });
  const port = await freePort();
  const say = (verdict: Verdict) => ({ change: "verdicts_set", verdicts: [{ gateId: "gate-1", verdict }] }) as const;
  const ask = async (headers: Record<string, string> = {}): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${port}/orders/1?x`, {
      headers: { "user-agent": "test/1", ...headers },
    });
    await answer.text();
    return answer.status;
  };
  const credentials = { client_id: "shop", client_secret: secret };
  const binding = {
    gateId: "gate-1",
    apiName: "orders",
    apiVersion: "1",
    basePath: "/orders",
    resources: [],
    verdict: { verdict: "closed", reason: "initializing" },
  } as const;
  await worker.apply(
    {
      change: "app_set",
      app: anApp({ replicas: [{ replicaId: "r1", address: "127.0.0.1", port: upstreamPort }], bindings: [binding] }),
    },
    { change: "listener_set", listener: aListener(port) },
  );

  const statuses = [await ask(credentials)];
  await worker.apply(
    { change: "set_added", set: aSet("good", "client-id-enforcement", {}) },
    say({ verdict: "open", setId: "good" }),
  );
  statuses.push(await ask(), await ask({ ...credentials, client_secret: "wrong" }), await ask(credentials));
  const said = await worker.apply(
    { change: "set_added", set: aSet("bad", "rate-limiting", { limits: [] }) },
    say({ verdict: "open", setId: "bad" }),
  );
  statuses.push(await ask(credentials));

  expect(statuses).toEqual([503, 401, 401, 200, 503]);
  expect(said.find(({ type }) => type === "unusable")).toMatchObject({
    setId: "bad",
    problems: [{ policyId: "p1", policyName: "who calls" }],
  });
  await expect.poll(() => worker.records().length).toBe(4);
  const api = { api: "orders", apiId: "api-1", environment: "prod", app: "orders", verb: "GET" };
  const refused = { ...api, disposition: Disposition.DISPOSITION_POLICY_VIOLATION, status: 401 };
  expect(worker.records()).toMatchObject([
    { ...refused, policyId: "p1", policy: "who calls", application: "", replica: "", upstreamUs: 0 },
    { ...refused, policyId: "p1", resourcePath: "/{}", clientAddress: "127.0.0.0" },
    {
      ...api,
      disposition: Disposition.DISPOSITION_PROCESSED,
      status: 200,
      application: "Shop",
      policy: "",
      responseBytes: 6,
      userAgent: "test/1",
      replica: "r1",
    },
    { ...api, disposition: Disposition.DISPOSITION_BLOCKED, status: 503 },
  ]);
  const processed = worker.records()[2];
  expect(processed?.latencyUs).toBeGreaterThanOrEqual(processed?.upstreamUs ?? 0);
  expect(processed?.upstreamUs).toBeGreaterThan(0);
  const counted = () => worker.heard.flatMap((message) => (message.type === "tallies" ? message.tallies : []));
  const sum = (disposition: Disposition): number =>
    counted().reduce((total, tally) => total + (tally.disposition === disposition ? tally.requests : 0), 0);
  await expect.poll(() => sum(Disposition.DISPOSITION_BLOCKED)).toBe(2); // the first one came before its API was known
  upstream.closeAllConnections();
  upstream.close();
});
