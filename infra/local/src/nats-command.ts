import { readFile } from "node:fs/promises";
import { permissionsOf, provisionBus, serviceNames } from "@drawbridge/bus";
import { natsUsersText } from "./backing/nats/nats-config.ts";

export interface NatsCommandOptions {
  readonly url: string;
  /** Holds "user:password" of a login that may do everything. */
  readonly credentialsFile: string;
  readonly streamReplicas: number | undefined;
  readonly print: (line: string) => void;
}

/** Make, in a NATS server that somebody else runs, what services may not make themselves. Safe to repeat. */
export async function provisionNats(options: NatsCommandOptions): Promise<void> {
  const { url, credentialsFile, streamReplicas, print } = options;
  const logger = {
    info: () => undefined,
    warn: (fields: object, message: string) => print(`! ${message} ${errorText(fields)}`),
    error: (fields: object, message: string) => print(`! ${message} ${errorText(fields)}`),
  };
  const credentials = (await readFile(credentialsFile, "utf8")).trim();
  await provisionBus(
    { url, credentials, logger, ...(streamReplicas === undefined ? {} : { streamReplicas }) },
    AbortSignal.timeout(30_000),
  );
  print("streams, durables and buckets are there");
}

/** The users of a server's configuration; the operator puts the passwords in. */
export function printNatsUsers(print: (line: string) => void): void {
  for (const name of serviceNames) {
    print(
      natsUsersText(
        { name, passwordText: `$${name.toUpperCase().replaceAll("-", "_")}_PASSWORD` },
        permissionsOf(name),
      ),
    );
  }
}

function errorText(fields: object): string {
  return "err" in fields && fields.err instanceof Error ? fields.err.message : "";
}
