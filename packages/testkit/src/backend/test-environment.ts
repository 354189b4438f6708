/**
 * What the developer, or `.ci/run`, says about backing services. Test code has no main.ts that could hand it over: vitest
 * starts it, so that this module reads the environment.
 */
export interface TestEnvironment {
  /** A server whose role may create databases and roles. */
  readonly postgresUrl: string | undefined;
  /** nats://user:password@host:port of an empty server with JetStream. */
  readonly natsUrl: string | undefined;
  /** "containers": everything through testcontainers. */
  readonly backend: "local" | "containers";
  readonly postgresImage: string;
  readonly natsImage: string;
}

export function readTestEnvironment(): TestEnvironment {
  const env = process.env;
  return {
    postgresUrl: env["DRAWBRIDGE_TEST_POSTGRES_URL"],
    natsUrl: env["DRAWBRIDGE_TEST_NATS_URL"],
    backend: env["DRAWBRIDGE_TEST_BACKEND"] === "containers" ? "containers" : "local",
    postgresImage: env["DRAWBRIDGE_TEST_POSTGRES_IMAGE"] ?? "postgres:18",
    natsImage: env["DRAWBRIDGE_TEST_NATS_IMAGE"] ?? "nats:2.15",
  };
}

/** For the workers of this run: they take the server that global-setup started. */
export function sharePostgres(url: string | undefined): void {
  if (url === undefined) delete process.env["DRAWBRIDGE_TEST_POSTGRES_URL"];
  else process.env["DRAWBRIDGE_TEST_POSTGRES_URL"] = url;
}
