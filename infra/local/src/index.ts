export { choosePort, freePort } from "./backing/free-port.ts";
export { silentProgress, type LocalProgress } from "./backing/local-progress.ts";
export { type ManagedProcess, type ProcessExit } from "./backing/managed-process.ts";
export { findNatsServer, type FindNatsServerOptions } from "./backing/nats/find-nats-server.ts";
export { isDurable, type NatsServer } from "./backing/nats/nats-server.ts";
export { startNats, type ManagedNats, type StartNatsOptions } from "./backing/nats/start-nats.ts";
export { provisionDatabase, type ProvisionDatabaseOptions } from "./backing/postgres/provision-database.ts";
export { startPostgres, type ManagedPostgres, type StartPostgresOptions } from "./backing/postgres/start-postgres.ts";
export { readOrCreateSecret, writePrivateFile } from "./backing/secret-file.ts";
