import { DrawbridgeError } from "@drawbridge/errors";
import { startNats } from "@drawbridge/local";
import { startInTempDir, type KillableServer } from "./backing-server.ts";
import { readTestEnvironment } from "./test-environment.ts";

export interface TestNats extends AsyncDisposable, KillableServer {
  readonly url: string;
  /** "user:password", as connectBus takes it. */
  readonly credentials: string;
}

/**
 * An empty NATS server with JetStream of its own: streams are the same for everybody, so that test files cannot share
 * one. With DRAWBRIDGE_TEST_NATS_URL that server is used, by one file at a time, and cannot be killed.
 */
export async function startTestNats(): Promise<TestNats> {
  const environment = readTestEnvironment();
  if (environment.natsUrl !== undefined) return remoteNats(environment.natsUrl);
  if (environment.backend === "containers") {
    const { startNatsContainer } = await import("./containers.ts");
    const container = await startNatsContainer(environment.natsImage);
    const { url, credentials, server } = container;
    return { url, credentials, ...server, [Symbol.asyncDispose]: () => container.remove() };
  }
  const { server, controls } = await startInTempDir((stateDir) => startNats({ stateDir, port: 0 }));
  return { url: server.url, credentials: `${server.credentials.user}:${server.credentials.password}`, ...controls };
}

function remoteNats(text: string): TestNats {
  const url = new URL(text);
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = "";
  url.password = "";
  const refuse = (): Promise<never> =>
    Promise.reject(
      new DrawbridgeError({
        kind: "failed_precondition",
        code: "TESTKIT_NOT_OURS",
        message: "the NATS server of DRAWBRIDGE_TEST_NATS_URL is not ours to kill; run this test without that variable",
      }),
    );
  return {
    url: url.href,
    credentials,
    kill: refuse,
    start: refuse,
    restart: refuse,
    stop: refuse,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
