import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  createEgressLedger as createLedger,
  ledgerFileSchema,
  type EgressLedger,
  type LedgerFile,
  type LedgerWriter,
  type OutboundField,
} from "@drawbridge/egress";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { readdirIfPresent } from "../state/atomic-file.ts";
import { createJsonFile, type JsonFile } from "../state/json-file.ts";

/** What a TLS handshake with our identity shows: a connection that carries no message of ours. */
export const clientCertificate: readonly OutboundField[] = [{ path: "client_certificate", dataClass: "IDENTITY" }];

export interface EgressLedgerOptions {
  readonly directory: string;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The ledger of one of the agent's processes, in files like all of its state. */
export function createEgressLedger({ directory, writer, clock, logger }: EgressLedgerOptions): EgressLedger {
  const fileOf = (day: string): JsonFile<LedgerFile> =>
    createJsonFile({ path: join(directory, `${day}.${writer}.json`), schema: ledgerFileSchema, clock, logger });
  const files = {
    read: (day: string) => fileOf(day).read(),
    write: (file: LedgerFile) => fileOf(file.day).write(file),
    removeBefore: async (day: string) => {
      for (const name of await readdirIfPresent(directory)) {
        if (/^\d{4}-\d{2}-\d{2}\./.test(name) && name.slice(0, 10) < day)
          await rm(join(directory, name), { force: true });
      }
    },
  };
  return createLedger({ files, writer, clock, logger });
}
