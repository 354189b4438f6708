import { randomBytes } from "node:crypto";
import { freePort } from "@drawbridge/local";
import { GenericContainer, Wait, type StartedTestContainer } from "testcontainers";
import type { KillableServer } from "./backing-server.ts";

export interface ServerContainer {
  readonly url: string;
  readonly server: KillableServer;
  remove(): Promise<void>;
}

const postgresPort = 5432;
const natsPort = 4222;
const startTimeoutMs = 120_000;

/** Any image that follows the official one: POSTGRES_USER, POSTGRES_PASSWORD, port 5432. */
export async function startPostgresContainer(image: string): Promise<ServerContainer> {
  const password = randomBytes(16).toString("hex");
  // A fixed port on our side, so that the address survives a restart.
  const port = await freePort();
  const container = await new GenericContainer(image)
    .withEnvironment({ POSTGRES_USER: "drawbridge_admin", POSTGRES_PASSWORD: password, POSTGRES_DB: "postgres" })
    .withExposedPorts({ container: postgresPort, host: port })
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/))
    .withStartupTimeout(startTimeoutMs)
    .start();
  const url = `postgres://drawbridge_admin:${password}@${container.getHost()}:${port}/postgres`;
  return { url, server: killable(container), remove: async () => void (await container.stop()) };
}

/** Any image whose entry point is nats-server, as the official one's. */
export async function startNatsContainer(image: string): Promise<ServerContainer & { readonly credentials: string }> {
  const password = randomBytes(16).toString("hex");
  const port = await freePort();
  const container = await new GenericContainer(image)
    .withCommand(["-js", "-sd", "/data", "--user", "drawbridge", "--pass", password])
    .withExposedPorts({ container: natsPort, host: port })
    .withWaitStrategy(Wait.forLogMessage(/Server is ready/))
    .withStartupTimeout(startTimeoutMs)
    .start();
  return {
    url: `nats://${container.getHost()}:${port}`,
    credentials: `drawbridge:${password}`,
    server: killable(container),
    remove: async () => void (await container.stop()),
  };
}

function killable(container: StartedTestContainer): KillableServer {
  return {
    // No time to stop in order: Docker follows with SIGKILL at once.
    kill: async () => void (await container.stop({ timeout: 0, remove: false, removeVolumes: false })),
    stop: async () => void (await container.stop({ timeout: 10_000, remove: false, removeVolumes: false })),
    start: () => container.restart(),
    restart: () => container.restart({ timeout: 10_000 }),
  };
}
