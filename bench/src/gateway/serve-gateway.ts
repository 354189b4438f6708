// Our data plane as a process of its own, with one worker: node serve-gateway.ts <port> <upstream port> bare|policies.
import { generateKeyPairSync, sign } from "node:crypto";
import { createHash, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { AddressDetail, ApiDocument, ContractPage, GeographyDetail } from "@drawbridge/contracts/apis/v1/configuration";
import type { ApiSet, Binding, Change, FromWorker, WorkerStart } from "@drawbridge/gatekeeper-proxy/worker-protocol";
import { createCounterStorage } from "@drawbridge/policies";

const [, , port = "", upstreamPort = "", mode = "bare"] = process.argv;
const clientId = "shop";
const clientSecret = randomBytes(32).toString("base64url");
const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** A token that is valid for a day. */
function issueToken(): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const claims = {
    iss: "https://issuer.example",
    aud: "orders",
    sub: clientId,
    iat: nowSeconds,
    exp: nowSeconds + 86_400,
  };
  const input = `${encode({ alg: "RS256", typ: "JWT" })}.${encode(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), keys.privateKey).toString("base64url")}`;
}

function policySet(): ApiSet {
  const policies = [
    { type: "client-id-enforcement", configuration: {} },
    {
      type: "rate-limiting",
      configuration: { key: { by: "client" }, limits: [{ requests: 1_000_000_000, periodMs: 60_000 }] },
    },
    {
      type: "jwt-validation",
      configuration: {
        issuers: ["https://issuer.example"],
        audiences: ["orders"],
        algorithms: ["RS256"],
        keys: { source: "static", keys: [{ pem: keys.publicKey.export({ type: "spki", format: "pem" }) }] },
      },
    },
  ];
  const page = ContractPage.encode({
    contracts: [
      {
        contractId: "contract",
        clientId,
        clientName: "Shop",
        secrets: [{ sha256: createHash("sha256").update(clientSecret).digest(), notAfter: undefined }],
        tierId: "",
      },
    ],
  }).finish();
  const document = ApiDocument.encode(
    ApiDocument.fromPartial({
      apiId: "api",
      name: "orders",
      version: "1",
      environment: "bench",
      revision: 1n,
      policies: policies.map(({ type, configuration }, index) => ({
        policyId: type,
        type,
        name: type,
        order: index + 1,
        configurationJson: JSON.stringify(configuration),
      })),
      contractPages: [createHash("sha256").update(page).digest()],
      contractCount: 1,
      analytics: {
        clientAddress: AddressDetail.ADDRESS_DETAIL_FULL,
        userAgent: true,
        geography: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
      },
    }),
  ).finish();
  return { setId: "set", document, contractPages: [page], assets: [] };
}

const binding: Binding = {
  gateId: "gate",
  apiName: "orders",
  apiVersion: "1",
  basePath: "/",
  resources: [],
  verdict: { verdict: "open", setId: "set" },
};

const replica = { replicaId: "r1", address: "127.0.0.1", port: Number(upstreamPort) };
const changes: Change[] = [
  ...(mode === "policies" ? [{ change: "set_added", set: policySet() } as const] : []),
  {
    change: "app_set",
    app: {
      appId: "app",
      appName: "orders",
      environment: "bench",
      deployments: [
        { deployment: "d1", ready: [replica], listed: ["r1"], bindings: mode === "policies" ? [binding] : [] },
      ],
    },
  },
  {
    change: "listener_set",
    listener: {
      listenerId: "l1",
      address: "127.0.0.1",
      port: Number(port),
      tls: undefined,
      target: { kind: "app", appId: "app" },
    },
  },
];

const workerData: WorkerStart = {
  workerIndex: 0,
  workerCount: 1,
  gatewayId: "bench",
  counters: createCounterStorage(),
  // What others take of the core must not turn requests into refusals.
  settings: { shedDelayMs: 60_000 },
  log: { level: "error" },
};
const worker = new Worker(fileURLToPath(import.meta.resolve("@drawbridge/gatekeeper-proxy/worker")), { workerData });
worker.on("message", (message: FromWorker) => {
  if (message.type === "started") worker.postMessage({ type: "apply", sequence: 1, changes });
  if (message.type === "unusable") throw new Error(JSON.stringify(message.problems));
  if (message.type === "applied") {
    const headers =
      mode === "policies"
        ? { client_id: clientId, client_secret: clientSecret, authorization: `Bearer ${issueToken()}` }
        : {};
    console.log(JSON.stringify({ headers }));
  }
});
process.once("SIGTERM", () => void worker.terminate().then(() => process.exit(0)));
