import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { loadConfig } from "@drawbridge/config";
import {
  CertificateAuthorityServiceClient,
  FabricProfile,
  type CertificateAuthorityServiceService,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import {
  RevocationServiceClient,
  type RevocationServiceService,
} from "@drawbridge/contracts/certs/v1/revocation_service";
import {
  cryptoRandom,
  startComponents,
  systemClock,
  uuidV7Ids,
  type Clock,
  type Component,
} from "@drawbridge/lifecycle";
import {
  clientTlsOptions,
  createCsr,
  generateKeyPair,
  IdentityHolder,
  loadIdentityDir,
  type IdentitySnapshot,
  type KeyPair,
} from "@drawbridge/pki";
import { createGrpcClient, type GrpcClient } from "@drawbridge/rpc";
import { startTelemetry } from "@drawbridge/telemetry";
import { createTestLogger, freePort, tempDir, type TestLogger } from "@drawbridge/testkit";
import { runBootstrap } from "../src/ca/run-bootstrap.ts";
import { bootstrapConfigSchema, configSchema } from "../src/config.ts";
import { createCertAuthorityService } from "../src/service.ts";

export const migrations = join(import.meta.dirname, "../migrations");
export const fabricId = "018f0000-0000-7000-8000-00000000000a";
export const agentId = "018f0000-0000-7000-8000-00000000000b";

export interface Backing {
  readonly databaseUrl: string;
  readonly nats: { readonly url: string; readonly credentials: string };
}

export interface Files extends AsyncDisposable {
  readonly identities: string;
  readonly env: Readonly<Record<string, string>>;
  path(name: string): string;
}

/** The secrets of a stack in a folder: database URL, key encryption key, NATS login. */
export async function createFiles(backing: Backing): Promise<Files> {
  const folder = await tempDir();
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder.path, name), text, { mode: 0o600 });
    return join(folder.path, name);
  };
  return {
    identities: join(folder.path, "identities"),
    path: (name) => join(folder.path, name),
    env: {
      DRAWBRIDGE_DATABASE_URL_FILE: await write("database-url", backing.databaseUrl),
      DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: await write("kek", randomBytes(32).toString("base64url")),
      DRAWBRIDGE_NATS_CREDENTIALS_FILE: await write("nats", backing.nats.credentials),
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

export function bootstrapEnv(files: Files): Record<string, string> {
  return {
    DRAWBRIDGE_DATABASE_URL_FILE: files.env["DRAWBRIDGE_DATABASE_URL_FILE"] ?? "",
    DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: files.env["DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE"] ?? "",
    DRAWBRIDGE_IDENTITIES_DIR: files.identities,
  };
}

export async function bootstrap(
  files: Files,
  options: { readonly clock?: Clock; readonly env?: Record<string, string> } = {},
): Promise<TestLogger> {
  const log = createTestLogger();
  const config = loadConfig({ schema: bootstrapConfigSchema, env: { ...bootstrapEnv(files), ...options.env } });
  await runBootstrap({ config, logger: log.logger, clock: options.clock ?? systemClock, ids: uuidV7Ids });
  return log;
}

export interface RunningAuthority extends AsyncDisposable {
  readonly log: TestLogger;
  readonly publicUrl: string;
  readonly internalAddress: string;
  /** What /metrics answers. */
  metrics(): Promise<string>;
  identityOf(service: string): Promise<IdentitySnapshot>;
  clientOf(service: string): Promise<AuthorityClient>;
  clientWith(identity: IdentitySnapshot): AuthorityClient;
  revocationsOf(service: string): Promise<RevocationClient>;
}

export type RevocationClient = GrpcClient<typeof RevocationServiceService>["call"];

export type AuthorityClient = GrpcClient<typeof CertificateAuthorityServiceService>["call"];

/** The whole service, as main.ts makes it, on free ports. */
export async function startAuthority(
  files: Files,
  backing: Backing,
  env: Record<string, string> = {},
): Promise<RunningAuthority> {
  const log = createTestLogger();
  const internalPort = await freePort(); // known beforehand: the service asks itself for its own certificate
  const config = loadConfig({
    schema: configSchema,
    env: {
      ...files.env,
      DRAWBRIDGE_NATS_URL: backing.nats.url,
      DRAWBRIDGE_IDENTITY_DIR: join(files.identities, "cert-authority"),
      DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internalPort}`,
      DRAWBRIDGE_FABRIC_LISTEN: "127.0.0.1:0",
      DRAWBRIDGE_OPS_LISTEN: "127.0.0.1:0",
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: `127.0.0.1:${internalPort}`,
      DRAWBRIDGE_NAME_CERTIFICATE_LIMIT: "100000", // most tests are about one agent
      ...env,
    },
  });
  const telemetry = startTelemetry({ service: "cert-authority", replica: config.REPLICA, logger: log.logger });
  const service = createCertAuthorityService({
    config,
    logger: log.logger,
    telemetry,
    clock: systemClock,
    random: cryptoRandom,
    ids: uuidV7Ids,
  });
  await startComponents(service.components, AbortSignal.timeout(240_000));
  const { internal, public: publicAddress } = service.addresses();
  const clients: Component[] = [];

  const identityOf = (name: string) => loadIdentityDir(join(files.identities, name), new Date());
  const clientWith = (identity: IdentitySnapshot): AuthorityClient => {
    const client = createGrpcClient(CertificateAuthorityServiceClient, {
      address: `${internal.host}:${internal.port}`,
      identity: new IdentityHolder(identity),
      expectedServer: "/cp/cert-authority",
      logger: log.logger,
    });
    clients.push(client);
    return client.call;
  };
  return {
    log,
    internalAddress: `${internal.host}:${internal.port}`,
    publicUrl: `https://${publicAddress.host}:${publicAddress.port}`,
    metrics: () => telemetry.metricsText(),
    identityOf,
    clientWith,
    revocationsOf: async (name) => {
      const client = createGrpcClient(RevocationServiceClient, {
        address: `${internal.host}:${internal.port}`,
        identity: new IdentityHolder(await identityOf(name)),
        expectedServer: "/cp/cert-authority",
        logger: log.logger,
      });
      clients.push(client);
      return client.call;
    },
    clientOf: async (name) => clientWith(await identityOf(name)),
    [Symbol.asyncDispose]: async () => {
      const deadline = AbortSignal.timeout(5_000);
      for (const client of clients) await client.stop(deadline);
      for (const component of service.components.toReversed()) await component.stop(deadline);
    },
  };
}

export interface PublicAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What anybody gets from the public listener. */
export async function getPublic(
  authority: Pick<RunningAuthority, "publicUrl" | "identityOf">,
  path: string,
  headers: Record<string, string> = {},
): Promise<PublicAnswer> {
  const { trustBundle } = await authority.identityOf("activation");
  const tls = clientTlsOptions({ trustBundle }, { expectedServer: "/cp/cert-authority", alpnProtocols: ["http/1.1"] });
  return new Promise((resolve, reject) => {
    httpsRequest(`${authority.publicUrl}${path}`, { ...tls, headers }, (response) => {
      const chunks: Buffer[] = [];
      response
        .on("data", (chunk: Buffer) => chunks.push(chunk))
        .on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
    })
      .on("error", reject)
      .end();
  });
}

/** An honest request for an agent's certificate. */
export async function agentRequest(
  overrides: {
    readonly requestId?: string;
    readonly keyPair?: KeyPair;
    readonly csrDer?: Uint8Array;
    readonly fabricId?: string;
  } = {},
) {
  const csrDer = overrides.csrDer ?? (await createCsr(overrides.keyPair ?? (await generateKeyPair())));
  return {
    requestId: overrides.requestId ?? uuidV7Ids.next(),
    csrDer: Buffer.from(csrDer),
    profile: FabricProfile.FABRIC_PROFILE_AGENT,
    org: "acme",
    fabricId: overrides.fabricId ?? fabricId,
    subjectId: agentId,
  };
}
