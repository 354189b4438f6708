import { hash } from "bcryptjs";

/** A login; without permissions it may do everything. */
export interface NatsUser {
  readonly name: string;
  readonly password: string;
  readonly permissions?: { readonly publish: readonly string[]; readonly subscribe: readonly string[] };
}

export interface NatsConfig {
  /** Where it listens: loopback, or every interface of a container whose port is published on loopback. */
  readonly host: string;
  readonly port: number;
  readonly storeDir: string;
  readonly logFile: string;
  readonly users: readonly NatsUser[];
}

/** 1 MiB: what one event or one tunnel frame may be (design R11). */
const maxPayloadBytes = 1_048_576;

/** The lowest there is: passwords are 256 random bits, nothing that could be guessed, and each connection waits for it. */
const bcryptRounds = 4;

/** A nats-server configuration file, with hashes of the passwords. */
export async function natsConfigText(config: NatsConfig): Promise<string> {
  const users = await Promise.all(config.users.map(userText));
  return `server_name: drawbridge
host: ${quoted(config.host)}
port: ${config.port}
max_payload: ${maxPayloadBytes}
log_file: ${quoted(config.logFile)}
logfile_size_limit: 16777216
logfile_max_num: 3
jetstream {
  store_dir: ${quoted(config.storeDir)}
  max_memory_store: 268435456
  sync_interval: always
}
authorization {
  users: [
${users.join("\n")}
  ]
}
`;
}

async function userText({ name, password, permissions }: NatsUser): Promise<string> {
  return natsUsersText({ name, passwordText: quoted(await hash(password, bcryptRounds)) }, permissions);
}

/** One entry of `users`; `passwordText` is a quoted hash or a variable. */
export function natsUsersText(
  { name, passwordText }: { readonly name: string; readonly passwordText: string },
  permissions: NatsUser["permissions"],
): string {
  const login = `user: ${quoted(name)}, password: ${passwordText}`;
  if (!permissions) return `    { ${login} }`;
  const list = (subjects: readonly string[]): string => `{ allow: [ ${subjects.map(quoted).join(", ")} ] }`;
  return `    { ${login}, permissions: {
      publish: ${list(permissions.publish)}
      subscribe: ${list(permissions.subscribe)}
    } }`;
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
