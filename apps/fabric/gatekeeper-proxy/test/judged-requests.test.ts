import { freePort } from "@drawbridge/testkit";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { ApiDocument, ContractPage } from "@drawbridge/contracts/apis/v1/configuration";
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
    }),
  ).finish();
  return { setId, document, contractPages: [page], assets: [] };
}

test("a tracked request is judged by its gate and its policies, and leaves one record (GK 1, ANA 2)", async () => {
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
  expect(said[0]).toMatchObject({
    type: "unusable",
    setId: "bad",
    problems: [{ policyId: "p1", policyName: "who calls" }],
  });
  await expect.poll(() => worker.records().length).toBe(5);
  expect(worker.records()).toMatchObject([
    { disposition: "blocked", status: 503, gateId: "gate-1", path: "/orders/1", method: "GET", policyName: "" },
    { disposition: "policy_violation", status: 401, apiId: "api-1", policyName: "who calls", clientId: "" },
    { disposition: "policy_violation", status: 401, policyName: "who calls" },
    { disposition: "processed", status: 200, clientId: "shop", policyName: "", bytesOut: 6, userAgent: "test/1" },
    { disposition: "blocked", status: 503 },
  ]);
  upstream.closeAllConnections();
  upstream.close();
});
