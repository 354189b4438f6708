import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { join } from "node:path";
import {
  CertificateAuthorityServiceClient,
  FabricProfile,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { CollectorServiceClient } from "@drawbridge/contracts/monitoring/v1/collector_service";
import {
  chainToPem,
  clientTlsOptions,
  createCsr,
  createTrustBundle,
  generateKeyPair,
  IdentityHolder,
  loadIdentityDir,
  validateIdentity,
  type IdentitySnapshot,
} from "@drawbridge/pki";
import { createGrpcClient, type GrpcClient } from "@drawbridge/rpc";
import {
  certAuthorityMigrations,
  createMonitoringIngestProcess,
  createTestLogger,
  monitoringIngestMigrations,
  startCertAuthority,
  startTestNats,
  startTestPostgres,
  tempDir,
  type CertAuthorityProcess,
  type MonitoringIngestProcess,
} from "@drawbridge/testkit";
import { metricsClient, type MetricsCalls } from "./otlp.ts";

type Authority = GrpcClient<(typeof CertificateAuthorityServiceClient)["service"]>["call"];
type Collectors = GrpcClient<(typeof CollectorServiceClient)["service"]>["call"];

/** PostgreSQL, NATS, cert-authority and monitoring-ingest, all real processes. */
export interface World extends AsyncDisposable {
  readonly ingest: MonitoringIngestProcess;
  readonly certAuthority: CertAuthorityProcess;
  /** cert-authority as management-api sees it. */
  readonly authority: Authority;
  /** monitoring-ingest as management-api sees it, or another service. */
  collectorsAs(service: string): Promise<Collectors>;
  /** MetricsService of monitoring-ingest as a service sees it. */
  metricsAs(service: string): Promise<MetricsCalls>;
  issue(kind: "collector" | "agent", fabricId: string): Promise<IdentitySnapshot>;
}

export async function startWorld(env: Readonly<Record<string, string>> = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const postgres = stack.use(await startTestPostgres());
  const nats = stack.use(await startTestNats());
  const caDatabase = stack.use(
    await postgres.createDatabase({ schema: "cert_authority", migrations: certAuthorityMigrations }),
  );
  const database = stack.use(
    await postgres.createDatabase({ schema: "monitoring_ingest", migrations: monitoringIngestMigrations }),
  );
  const certAuthority = stack.use(await startCertAuthority({ dir: dir.path, database: caDatabase, nats }));
  const identities = certAuthority.identitiesDir;
  const ingest = stack.use(
    await createMonitoringIngestProcess({
      dir: dir.path,
      database,
      identityDir: join(identities, "monitoring-ingest"),
      certAuthorityAddress: certAuthority.address,
      nats,
      env,
    }),
  );
  await ingest.start();
  const peerOf = async <D extends Parameters<typeof createGrpcClient>[0]["service"]>(
    ctor: { readonly service: D; readonly serviceName: string },
    options: { readonly address: string; readonly caller: string; readonly expectedServer: string },
  ) => {
    const identity = new IdentityHolder(await loadIdentityDir(join(identities, options.caller), new Date()));
    const { logger } = createTestLogger();
    return stack.adopt(createGrpcClient<D>(ctor, { ...options, identity, logger }), (client) =>
      client.stop(AbortSignal.timeout(1_000)),
    );
  };
  const asPeer = { address: certAuthority.address, expectedServer: "/cp/cert-authority" };
  const activation = await peerOf(CertificateAuthorityServiceClient, { ...asPeer, caller: "activation" });
  const managementApi = await peerOf(CertificateAuthorityServiceClient, { ...asPeer, caller: "management-api" });
  const owned = stack.move();
  return {
    ingest,
    certAuthority,
    authority: managementApi.call,
    collectorsAs: async (caller) => {
      const identity = new IdentityHolder(await loadIdentityDir(join(identities, caller), new Date()));
      const { logger } = createTestLogger();
      const client = createGrpcClient(CollectorServiceClient, {
        address: ingest.address,
        expectedServer: "/cp/monitoring-ingest",
        identity,
        logger,
      });
      owned.defer(() => client.stop(AbortSignal.timeout(1_000)));
      return client.call;
    },
    metricsAs: async (caller) => owned.use(await metricsClient(ingest.address, join(identities, caller))).call,
    issue: (kind, fabricId) => issue(activation.call, kind, fabricId),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function issue(authority: Authority, kind: "collector" | "agent", fabricId: string): Promise<IdentitySnapshot> {
  const keyPair = await generateKeyPair();
  const { certificate, trustBundle } = await authority.issueFabricCertificate({
    requestId: randomUUID(),
    csrDer: Buffer.from(await createCsr(keyPair)),
    profile: kind === "agent" ? FabricProfile.FABRIC_PROFILE_AGENT : FabricProfile.FABRIC_PROFILE_COLLECTOR,
    org: "acme",
    fabricId,
    subjectId: kind === "agent" ? randomUUID() : "",
  });
  if (!certificate || !trustBundle) throw new Error("cert-authority issued nothing");
  const material = {
    certificateChainPem: chainToPem([certificate.certificateDer, ...certificate.chainDer]),
    privateKeyPem: keyPair.privateKeyPem(),
    trustBundle: createTrustBundle(trustBundle),
  };
  return validateIdentity(material, new Date());
}

export interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A connection that the test keeps and speaks HTTP on. */
export interface Wire extends Disposable {
  readonly socket: TLSSocket;
  /** Resolves when the server has ended it. */
  readonly closed: Promise<unknown>;
  post(body: string): Promise<Answer>;
}

export const checkIn = (change: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ version: "1.2.3", bootId: randomUUID(), time: new Date().toISOString(), ...change });

export async function openWire(address: string, identity: IdentitySnapshot, session?: Buffer): Promise<Wire> {
  const [host = "", port = ""] = address.split(":");
  const socket = connect({
    host,
    port: Number(port),
    ...(session === undefined ? {} : { session }),
    ...clientTlsOptions(identity, { expectedServer: "/cp/monitoring-ingest", alpnProtocols: ["http/1.1"] }),
  });
  await once(socket, "secureConnect");
  const closed = new Promise((resolve) => void socket.once("close", resolve));
  socket.on("error", () => undefined); // "close" follows
  return {
    socket,
    closed,
    post: (body) => post(socket, body),
    [Symbol.dispose]: () => socket.destroy(),
  };
}

function post(socket: TLSSocket, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = "";
    const gone = (): void => reject(new Error("the server hung up"));
    const onData = (data: Buffer): void => {
      text += data.toString("utf8");
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
      if (end < 0 || Buffer.byteLength(text.slice(end + 4)) < length) return;
      socket.off("data", onData).off("close", gone);
      const answer = JSON.parse(text.slice(end + 4)) as Answer["body"]; // JSON of our own server
      resolve({ status: Number(text.split(" ")[1]), headers: text.slice(0, end), body: answer });
    };
    socket.on("data", onData).once("close", gone);
    if (socket.destroyed) gone();
    socket.write(
      `POST /v1/check-in HTTP/1.1\r\nhost: ingest\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}

/** One check-in on a connection of its own. */
export async function send(address: string, identity: IdentitySnapshot, body = checkIn()): Promise<Answer> {
  using wire = await openWire(address, identity);
  return await wire.post(body);
}
