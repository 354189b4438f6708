import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import { freePort, natsGreets, postgresAnswers } from "@drawbridge/local";
import { GenericContainer, getContainerRuntimeClient, Wait, type StartedTestContainer } from "testcontainers";
import type { KillableServer } from "./backing-server.ts";

export interface ServerContainer {
  readonly url: string;
  readonly server: KillableServer;
  remove(): Promise<void>;
}

const postgresPort = 5432;
const natsPort = 4222;
const startTimeoutMs = 120_000;
const stopTimeoutSeconds = 10;

/** Any image that follows the official one: POSTGRES_USER, POSTGRES_PASSWORD, port 5432. */
export async function startPostgresContainer(image: string): Promise<ServerContainer> {
  const password = randomBytes(16).toString("hex");
  const port = await freePort(); // chosen here, so that the address survives a restart
  const container = await new GenericContainer(image)
    .withEnvironment({ POSTGRES_USER: "drawbridge_admin", POSTGRES_PASSWORD: password, POSTGRES_DB: "postgres" })
    .withExposedPorts({ container: postgresPort, host: port })
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/))
    .withStartupTimeout(startTimeoutMs)
    .start();
  const url = `postgres://drawbridge_admin:${password}@${container.getHost()}:${port}/postgres`;
  return serverContainer(container, url, () => postgresAnswers(url));
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
  const host = container.getHost();
  const server = await serverContainer(container, `nats://${host}:${port}`, () => natsGreets({ host, port }));
  return { ...server, credentials: `drawbridge:${password}` };
}

/**
 * The container itself, below testcontainers' own stop: that one forgets the container, so that it could neither be
 * started again nor removed. A line in a log, or an open port of Docker's proxy, is not yet a server that answers:
 * `answers` is asked until it does.
 */
async function serverContainer(
  started: StartedTestContainer,
  url: string,
  answers: () => Promise<boolean>,
): Promise<ServerContainer> {
  const runtime = await getContainerRuntimeClient();
  const container = runtime.container.getById(started.getId());
  async function ready(): Promise<void> {
    const giveUpMs = performance.now() + startTimeoutMs;
    while (!(await answers().catch(() => false))) {
      if (performance.now() > giveUpMs) throw noAnswer(new URL(url).host);
      await pause(50);
    }
  }
  const remove = (): Promise<void> => container.remove({ force: true, v: true });
  try {
    await ready();
  } catch (error) {
    await remove();
    throw error;
  }
  const server: KillableServer = {
    kill: async () => {
      await container.kill({ signal: "SIGKILL" });
      await container.wait();
    },
    stop: () => container.stop({ t: stopTimeoutSeconds }),
    start: async () => {
      await container.start();
      await ready();
    },
    restart: async () => {
      await server.stop();
      await server.start();
    },
  };
  return { url, server, remove };
}

function noAnswer(host: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "TESTKIT_NO_ANSWER",
    message:
      `the container that should answer at ${host} does not. Where Docker publishes ports on loopback only and tests run ` +
      `in a container themselves, set TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1`,
    details: { host },
  });
}
