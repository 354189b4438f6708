export interface NatsConfig {
  /** Where it listens: loopback, or every interface of a container whose port is published on loopback. */
  readonly host: string;
  readonly port: number;
  readonly storeDir: string;
  readonly logFile: string;
  readonly user: string;
  readonly password: string;
  /** Whether the server knows `sync_interval: always` (2.10). */
  readonly durable: boolean;
}

/** 1 MiB: what one event or one tunnel frame may be (design R11). */
const maxPayloadBytes = 1_048_576;

/** A nats-server configuration file. Holds the password: the file is 0600. */
export function natsConfigText(config: NatsConfig): string {
  return `server_name: drawbridge
host: ${quoted(config.host)}
port: ${config.port}
max_payload: ${maxPayloadBytes}
log_file: ${quoted(config.logFile)}
logfile_size_limit: 16777216
${config.durable ? "logfile_max_num: 3\n" : ""}jetstream {
  store_dir: ${quoted(config.storeDir)}
  max_memory_store: 268435456
${config.durable ? "  sync_interval: always\n" : ""}}
authorization {
  users: [ { user: ${quoted(config.user)}, password: ${quoted(config.password)} } ]
}
`;
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
