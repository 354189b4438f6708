import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  CertificateAuthorityServiceClient,
  FabricProfile,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { systemClock } from "@drawbridge/lifecycle";
import { freePort } from "@drawbridge/local";
import {
  chainToPem,
  createCsr,
  createTrustBundle,
  generateKeyPair,
  IdentityHolder,
  validateIdentity,
  type IdentitySnapshot,
} from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { createTestLogger, untilReady } from "@drawbridge/testkit";
import { startAuthorityStack } from "../issue/authority-stack.ts";

/** One monitoring-ingest in a process of its own, with a real cert-authority, PostgreSQL and NATS. */
export interface IngestStack extends AsyncDisposable {
  readonly fabricPort: number;
  readonly internalAddress: string;
  readonly managementApi: IdentityHolder;
  readonly pid: number;
  /** Its columnar store. */
  readonly storeDirectory: string;
  /** A fabric with the certificate of its collector. */
  openFabric(): Promise<{ readonly fabricId: string; readonly identity: IdentitySnapshot }>;
}

const appDirectory = fileURLToPath(new URL("../../../apps/control-plane/monitoring-ingest", import.meta.url));

export async function startIngestStack(): Promise<IngestStack> {
  await using stack = new AsyncDisposableStack();
  const authority = stack.use(await startAuthorityStack({ nodeArguments: [], otherSchema: "monitoring_ingest" }));
  const { directory } = authority;
  const logPath = join(directory, "monitoring-ingest.log");
  const run = (program: string, env: Readonly<Record<string, string>>): ChildProcess => {
    const log = openSync(logPath, "a", 0o600);
    const child = spawn(process.execPath, [join(appDirectory, "src", program)], {
      cwd: appDirectory,
      env,
      stdio: ["ignore", log, log],
    });
    closeSync(log); // the child has its own
    return child;
  };
  const settings = authority.settingsOf("monitoring-ingest");
  const { DRAWBRIDGE_DATABASE_URL_FILE: urlFile = "" } = settings;
  const [exitCode] = (await once(run("migrate.ts", { DRAWBRIDGE_DATABASE_URL_FILE: urlFile }), "exit")) as [unknown];
  if (exitCode !== 0) throw new Error(`migrate.ts ended with exit code ${String(exitCode)}; see ${logPath}`);

  const [fabricPort, internal, ops] = [await freePort(), await freePort(), await freePort()];
  const dataDirectory = join(directory, "ingest-data");
  const service = run("main.ts", {
    ...settings,
    DRAWBRIDGE_DATA_DIR: dataDirectory,
    DRAWBRIDGE_FABRIC_LISTEN: `127.0.0.1:${fabricPort}`,
    DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internal}`,
    DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${ops}`,
    // An hour of samples comes within seconds.
    DRAWBRIDGE_FABRIC_POINTS_PER_SECOND: "10000000",
  });
  stack.defer(async () => {
    if (service.exitCode !== null || service.signalCode !== null) return;
    service.kill("SIGTERM");
    await once(service, "exit");
  });
  await untilReady({
    url: `http://127.0.0.1:${ops}/readyz`,
    child: service,
    output: () => readFile(logPath, "utf8"),
  });
  // Its listeners open after it is ready.
  while (!(await readFile(logPath, "utf8")).includes('"msg":"started"')) await systemClock.sleep(50);
  const certificates = stack.adopt(
    createGrpcClient(CertificateAuthorityServiceClient, {
      address: authority.address,
      expectedServer: "/cp/cert-authority",
      identity: new IdentityHolder(await authority.identityOf("activation")),
      logger: createTestLogger().logger,
    }),
    (client) => client.stop(AbortSignal.timeout(1_000)),
  );
  const managementApi = new IdentityHolder(await authority.identityOf("management-api"));
  const started = stack.move();
  return {
    fabricPort,
    internalAddress: `127.0.0.1:${internal}`,
    managementApi,
    pid: service.pid ?? 0,
    storeDirectory: join(dataDirectory, "store"),
    openFabric: async () => {
      const fabricId = randomUUID();
      const keyPair = await generateKeyPair();
      const { certificate, trustBundle } = await certificates.call.issueFabricCertificate({
        requestId: randomUUID(),
        csrDer: Buffer.from(await createCsr(keyPair)),
        profile: FabricProfile.FABRIC_PROFILE_COLLECTOR,
        org: "bench",
        fabricId,
        subjectId: "",
      });
      if (!certificate || !trustBundle) throw new Error("cert-authority issued nothing");
      const material = {
        certificateChainPem: chainToPem([certificate.certificateDer, ...certificate.chainDer]),
        privateKeyPem: keyPair.privateKeyPem(),
        trustBundle: createTrustBundle(trustBundle),
      };
      return { fabricId, identity: validateIdentity(material, new Date()) };
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
