import { randomBytes } from "node:crypto";
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { postgresAnswers, provisionDatabase } from "@drawbridge/local";
import { type Containers, docker, openContainers, until, user } from "./containers.ts";
import type { NodeImages } from "./node-images.ts";

const root = resolve(import.meta.dirname, "../../..");

export const apps: Readonly<Record<string, string>> = {
  "cert-authority": "apps/control-plane/cert-authority",
  activation: "apps/control-plane/activation",
  "runtime-manager": "apps/control-plane/runtime-manager",
  "config-resolver": "apps/control-plane/config-resolver",
  "api-manager": "apps/control-plane/api-manager",
  "monitoring-ingest": "apps/control-plane/monitoring-ingest",
  "analytics-ingest": "apps/control-plane/analytics-ingest",
  alerting: "apps/control-plane/alerting",
  "management-api": "apps/control-plane/management-api",
  agent: "apps/fabric/agent",
  cli: "apps/operator/cli",
};

export const imageOf = (app: string): string => `drawbridge-test/${app}`;

export async function buildImages(bases: NodeImages): Promise<void> {
  for (const [name, app] of Object.entries(apps)) {
    const args = [`NODE_IMAGE=${bases.runtime}`, `BUILD_IMAGE=${bases.build}`, `APP=${app}`];
    const file = join(root, "infra/docker/Dockerfile");
    await docker("build", "-q", "-f", file, ...args.map((arg) => `--build-arg=${arg}`), "-t", imageOf(name), root);
  }
}

/** Drawbridge as docs/operations.md installs it: every process a container, every secret a file that only its owner gets. */
export interface Installation extends AsyncDisposable {
  readonly containers: Containers;
  readonly controlPlane: readonly string[];
  /** Every secret of the installation, to look for where none may be. */
  readonly secrets: readonly string[];
  /** `drawbridge …` in a container; its standard output. */
  cli(...args: string[]): Promise<string>;
  /** `drawbridge-agent …` in a container with the fabric's state folder. */
  agentJob(...args: string[]): Promise<string>;
  startAgent(): Promise<void>;
  waitReady(name: string): Promise<void>;
}

/** The ports on which the examples are served: one without an API, one behind the gateway. */
export const appPort = 18_000;
export const apiPort = 18_001;
/** Every service's port for probes. */
const opsPorts: Readonly<Record<string, number>> = {
  "management-api": 7600,
  activation: 7610,
  "runtime-manager": 7620,
  "config-resolver": 7630,
  "monitoring-ingest": 7640,
  "analytics-ingest": 7650,
  "cert-authority": 7660,
  "api-manager": 7670,
  alerting: 7680,
  agent: 7690,
};

const any = (port: number): string => `0.0.0.0:${port}`;
const settings: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "cert-authority": {
    INTERNAL_LISTEN: any(7560),
    FABRIC_LISTEN: any(7460),
    KEY_ENCRYPTION_KEY_FILE: "/secrets/key-encryption-key",
  },
  activation: {
    INTERNAL_LISTEN: any(7510),
    FABRIC_LISTEN: any(7410),
    PUBLIC_ACTIVATION_ENDPOINTS: "activation:7410",
    PUBLIC_TUNNEL_ENDPOINTS: "runtime-manager:7420",
    PUBLIC_CONFIG_RESOLVER_URL: "https://config-resolver:7430",
    JOIN_STATE_KEY_FILE: "/secrets/join-state-key",
  },
  "runtime-manager": {
    INTERNAL_LISTEN: any(7520),
    FABRIC_LISTEN: any(7420),
    API_MANAGER_ADDRESS: "api-manager:7570",
    PUBLIC_ANALYTICS_URL: "https://analytics-ingest:7450",
  },
  "config-resolver": {
    INTERNAL_LISTEN: any(7530),
    UPLOAD_LISTEN: any(7531),
    FABRIC_LISTEN: any(7430),
    RUNTIME_MANAGER_ADDRESS: "runtime-manager:7520",
    BLOB_DIR: "/blobs",
    KEY_ENCRYPTION_KEY_FILE: "/secrets/key-encryption-key",
  },
  "api-manager": {
    INTERNAL_LISTEN: any(7570),
    RUNTIME_MANAGER_ADDRESS: "runtime-manager:7520",
    KEY_ENCRYPTION_KEY_FILE: "/secrets/key-encryption-key",
  },
  "monitoring-ingest": { INTERNAL_LISTEN: any(7540), FABRIC_LISTEN: any(7440), DATA_DIR: "/data" },
  "analytics-ingest": { INTERNAL_LISTEN: any(7550), FABRIC_LISTEN: any(7450), DATA_DIR: "/data" },
  alerting: {
    INTERNAL_LISTEN: any(7580),
    ANALYTICS_INGEST_ADDRESS: "analytics-ingest:7550",
    MONITORING_INGEST_ADDRESS: "monitoring-ingest:7540",
    RUNTIME_MANAGER_ADDRESS: "runtime-manager:7520",
  },
  "management-api": {
    LISTEN: any(7400),
    ACTIVATION_ADDRESS: "activation:7510",
    RUNTIME_MANAGER_ADDRESS: "runtime-manager:7520",
    CONFIG_RESOLVER_ADDRESS: "config-resolver:7530",
    BUNDLE_UPLOAD_ADDRESS: "config-resolver:7531",
    API_MANAGER_ADDRESS: "api-manager:7570",
    MONITORING_INGEST_ADDRESS: "monitoring-ingest:7540",
    ANALYTICS_INGEST_ADDRESS: "analytics-ingest:7550",
    ALERTING_ADDRESS: "alerting:7580",
    BOOTSTRAP_ADMIN_PASSWORD_FILE: "/secrets/admin-password",
  },
};
const controlPlane = Object.keys(settings);
const withDatabase = controlPlane.filter((name) => name !== "analytics-ingest");
/** Folders that they keep what they have in. */
const ownFolders: Readonly<Record<string, string>> = {
  "config-resolver": "/blobs",
  "monitoring-ingest": "/data",
  "analytics-ingest": "/data",
};

export async function install(): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-installation-"));
  const containers = await openContainers();
  const made: string[] = [];
  const dispose = async (): Promise<void> => {
    await containers[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
  const secret = async (service: string, name: string, value: string): Promise<void> => {
    made.push(value);
    await writeOwned(join(folder, "secrets", service, name), value);
  };
  const volumesOf = (service: string): Record<string, string> => ({
    "/secrets:ro": join(folder, "secrets", service),
    "/identity": join(folder, "identities", service),
  });
  const keptBy = (service: string): Record<string, string> => {
    const inside = ownFolders[service];
    return inside === undefined ? {} : { [inside]: join(folder, "kept", service) };
  };
  const job = async (service: string, program: string, env: Record<string, string>): Promise<string> =>
    containers.job({
      image: imageOf(service),
      args: [program],
      env: { DATABASE_URL_FILE: "/secrets/database-url", ...env },
      volumes: { ...volumesOf(service), "/identities": join(folder, "identities") },
    });

  try {
    for (const name of ["identities", "kept", "cli", "agent"]) await ownedFolder(join(folder, name));
    for (const name of controlPlane) {
      await ownedFolder(join(folder, "kept", name));
      await ownedFolder(join(folder, "identities", name));
      await ownedFolder(join(folder, "secrets", name));
    }
    await startBacking(containers, secret);
    await secret("cert-authority", "key-encryption-key", randomBytes(32).toString("base64url"));
    await secret("config-resolver", "key-encryption-key", randomBytes(32).toString("base64url"));
    await secret("api-manager", "key-encryption-key", randomBytes(32).toString("base64url"));
    await secret("activation", "join-state-key", randomBytes(32).toString("base64url"));
    await secret("management-api", "admin-password", randomBytes(16).toString("hex"));
    await writeOwned(
      join(folder, "cli/password"),
      await readFile(join(folder, "secrets/management-api/admin-password"), "utf8"),
    );

    await Promise.all(withDatabase.map((name) => job(name, "src/migrate.js", {})));
    const kek = { KEY_ENCRYPTION_KEY_FILE: "/secrets/key-encryption-key" };
    await job("cert-authority", "src/bootstrap.js", { ...kek, IDENTITIES_DIR: "/identities" });
    await writeOwned(
      join(folder, "cli/trust-bundle.json"),
      await readFile(join(folder, "identities/management-api/trust-bundle.json"), "utf8"),
    );
    for (const name of controlPlane) {
      await containers.service(name, {
        image: imageOf(name),
        env: {
          ...(withDatabase.includes(name) && { DATABASE_URL_FILE: "/secrets/database-url" }),
          NATS_URL: "nats://nats:4222",
          NATS_CREDENTIALS_FILE: "/secrets/nats",
          IDENTITY_DIR: "/identity",
          CERT_AUTHORITY_ADDRESS: "cert-authority:7560",
          ...settings[name],
        },
        volumes: { ...volumesOf(name), ...keptBy(name) },
      });
    }
  } catch (error) {
    await dispose();
    throw error;
  }

  const agent = {
    image: imageOf("agent"),
    env: { APP_LISTEN_HOST: "0.0.0.0", APP_PORT_RANGE: `${appPort}-${appPort + 9}` },
    volumes: { "/var/lib/drawbridge-agent": join(folder, "agent"), "/handed-over": join(folder, "cli") },
  };
  return {
    containers,
    controlPlane,
    secrets: made,
    cli: (...args) =>
      containers.job({
        image: imageOf("cli"),
        args: ["src/main.js", ...args],
        env: { CONFIG_DIR: "/cli" },
        volumes: { "/cli": join(folder, "cli"), "/examples:ro": join(root, "examples") },
      }),
    agentJob: (...args) => containers.job({ ...agent, args: ["src/main.js", ...args] }),
    startAgent: () =>
      containers.service("agent", {
        ...agent,
        args: ["src/main.js", "run"],
        flags: ["--init", ...[appPort, apiPort].map((port) => `--publish=127.0.0.1::${port}`)],
      }),
    waitReady: (name) =>
      until(
        `${name} is ready`,
        async () =>
          (await containers.evaluate(name, `fetch("http://127.0.0.1:${opsPorts[name]}/readyz").then((r) => r.ok)`)) ===
          true,
        () => docker("logs", "--tail=20", containers.idOf(name)),
      ),
    [Symbol.asyncDispose]: dispose,
  };
}

async function startBacking(
  containers: Containers,
  secret: (service: string, name: string, value: string) => Promise<void>,
): Promise<void> {
  const password = randomBytes(16).toString("hex");
  await containers.backing("postgres", {
    image: "drawbridge-test/postgres",
    flags: ["--env=POSTGRES_USER=admin", `--env=POSTGRES_PASSWORD=${password}`, "--publish=127.0.0.1::5432"],
  });
  const busPassword = randomBytes(16).toString("hex");
  await containers.backing("nats", {
    image: "drawbridge-test/nats",
    args: ["-js", "-sd", "/data", "--user", "drawbridge", "--pass", busPassword],
  });
  const adminUrl = `postgres://admin:${password}@${await containers.published("postgres", 5432)}/postgres`;
  await until("PostgreSQL answers", () => postgresAnswers(adminUrl));
  await provisionDatabase({
    adminUrl,
    services: withDatabase.map((name) => name.replaceAll("-", "_")),
    saveUrl: async (schema, url) => {
      const inside = new URL(url);
      inside.host = "postgres:5432";
      await secret(schema.replaceAll("_", "-"), "database-url", inside.href);
    },
  });
  for (const name of controlPlane) await secret(name, "nats", `drawbridge:${busPassword}`);
}

async function ownedFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chown(path, user, user);
}

async function writeOwned(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  await chown(path, user, user);
}
