import { rm } from "node:fs/promises";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { retryWithBackoff, type Clock, type Random } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { z } from "zod";
import type { Artefact } from "../desired/app-wish.ts";
import { errorCodeOf, readdirIfPresent, readFileIfPresent, writeFileAtomic } from "../state/atomic-file.ts";
import { parseJson } from "../state/json-file.ts";
import { diskFull } from "./download-file.ts";
import type { ResolverClient } from "./resolver-client.ts";

/** What an app gets besides its bundle. */
export interface AppConfiguration {
  readonly properties: Readonly<Record<string, string>>;
  /** Secure properties in the clear: never logged, never in argv, never in an error. */
  readonly secureProperties: Readonly<Record<string, string>>;
}

/**
 * Configurations by digest, kept so that apps can be started again without the control plane. Files are 0600 below 0700: they
 * hold secure properties in the clear, as a Kubernetes Secret does.
 */
export interface ConfigurationStore {
  obtain(configuration: Artefact, signal: AbortSignal): Promise<AppConfiguration>;
  collectGarbage(inUse: ReadonlySet<string>): Promise<void>;
}

const documentSchema = z.object({
  properties: z.record(z.string(), z.string()).default({}),
  secureProperties: z.record(z.string(), z.string()).default({}),
  sealedProperties: z.record(z.string(), z.string()).default({}),
});

/** 1 MiB is the limit at config-resolver; JSON escapes can double it. */
const maxBytes = 4 * 1024 * 1024;
const maxAttempts = 9;

export function createConfigurationStore(options: {
  readonly directory: string;
  readonly client: Pick<ResolverClient, "open">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}): ConfigurationStore {
  const { directory, client, clock, random } = options;
  const pathOf = (digest: string): string => join(directory, `${digest.replace(/^sha256:/, "")}.json`);

  async function fetch(configuration: Artefact, signal: AbortSignal): Promise<string> {
    const { body } = await client.open({ path: configuration.path, fromByte: 0, what: "configuration" }, signal);
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of body) {
        if (!(chunk instanceof Uint8Array)) continue;
        size += chunk.length;
        if (size > maxBytes) throw malformed("it is larger than 4 MiB");
        chunks.push(Buffer.from(chunk));
      }
    } catch (error) {
      if (error instanceof DrawbridgeError) throw error;
      signal.throwIfAborted();
      throw new DrawbridgeError({
        kind: "unavailable",
        code: "ARTEFACT_UNREACHABLE",
        message: "config-resolver stopped answering while it sent the configuration",
        cause: error,
      });
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  return {
    async obtain(configuration, signal) {
      const stored = await readFileIfPresent(pathOf(configuration.digest));
      if (stored !== undefined) {
        try {
          return read(stored);
        } catch {
          await rm(pathOf(configuration.digest), { force: true }); // damaged on disk: fetch it anew
        }
      }
      const text = await retryWithBackoff(
        (attemptSignal) => fetch(configuration, attemptSignal),
        {
          clock,
          random,
          baseMs: 500,
          capMs: 15_000,
          maxAttempts,
          onFailure: (error) => (error instanceof DrawbridgeError && error.kind === "unavailable" ? "retry" : "stop"),
        },
        signal,
      );
      const result = read(text);
      try {
        await writeFileAtomic(pathOf(configuration.digest), text);
      } catch (error) {
        if (errorCodeOf(error) === "ENOSPC") throw diskFull(directory, text.length, error);
        throw error;
      }
      return result;
    },
    async collectGarbage(inUse) {
      const keep = new Set([...inUse].map((digest) => `${digest.replace(/^sha256:/, "")}.json`));
      for (const name of await readdirIfPresent(directory)) {
        if (!keep.has(name)) await rm(join(directory, name), { force: true });
      }
    },
  };
}

function read(text: string): AppConfiguration {
  const parsed = parseJson(text, documentSchema);
  if (parsed.outcome === "unusable") throw malformed(parsed.reason);
  const { properties, secureProperties, sealedProperties } = parsed.value;
  if (Object.keys(sealedProperties).length > 0) {
    throw new DrawbridgeError({
      kind: "unimplemented",
      code: "CONFIGURATION_SEALED_UNSUPPORTED",
      message: "the configuration has sealed properties, which this agent cannot open: give them as secure properties",
    });
  }
  return { properties, secureProperties };
}

function malformed(what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "CONFIGURATION_MALFORMED",
    message: `the configuration from config-resolver cannot be read: ${what}`,
  });
}
