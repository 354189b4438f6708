import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { ClickHouseError, ClickHouseLogLevel, createClient, type ClickHouseClient } from "@clickhouse/client";
import {
  createLoop,
  cryptoRandom,
  retryWithBackoff,
  systemClock,
  type Clock,
  type Random,
} from "@drawbridge/lifecycle";
import type { DrawbridgeError } from "@drawbridge/errors";
import type { ColumnarEngine, InsertFile, StreamFormat } from "../columnar-engine.ts";
import { errorFromFault, invalid, unavailable } from "../columnar-errors.ts";
import type { ColumnarLogger } from "../columnar-logger.ts";
import { insertSettings } from "../insert-settings.ts";
import { quoteIdentifier, quoteString } from "../literals.ts";
import type { Settings, Statement } from "../statement.ts";

export interface ClusterEngineOptions {
  readonly kind: "cluster";
  /** http(s)://host:port of one server, or of a load balancer before all. */
  readonly url: string;
  /** Exists already. */
  readonly database: string;
  /** Holds `user:password`. */
  readonly credentialsFile: string;
  /** As in `remote_servers`: tables are then replicated and distributed. Without it, url is one server on its own. */
  readonly cluster?: string;
}

export interface ClusterEngineDeps {
  readonly logger: ColumnarLogger;
  readonly clock?: Clock;
  readonly random?: Random;
}

const probeIntervalMs = 5_000;
/** Longer than the longest statement may take: that limit is the server's to keep. */
const requestTimeoutMs = 15 * 60_000;

/** ClickHouse over its HTTP interface: the same statements, the same files, the same tokens. */
export function createClusterEngine(options: ClusterEngineOptions, deps: ClusterEngineDeps): ColumnarEngine {
  const clock = deps.clock ?? systemClock;
  const random = deps.random ?? cryptoRandom;
  let client: ClickHouseClient | undefined;
  let missing: string | undefined = "not started";

  function connected(): ClickHouseClient {
    if (client !== undefined) return client;
    throw unavailable(new Error("the columnar store is not started"));
  }

  async function ask<T>(
    work: "read" | "write",
    signal: AbortSignal | undefined,
    request: () => Promise<T>,
  ): Promise<T> {
    try {
      return await request();
    } catch (error) {
      signal?.throwIfAborted();
      throw errorFromServer(error, work);
    }
  }

  async function query(statement: Statement, signal?: AbortSignal): Promise<string> {
    return ask("read", signal, async () => {
      const { text, ...rest } = request(statement, signal);
      const result = await connected().query({ query: text, format: "JSONCompact", ...rest });
      return result.text();
    });
  }

  async function probe(): Promise<void> {
    const before = missing;
    try {
      await query({ text: "SELECT 1", parameters: {}, settings: {} });
      missing = undefined;
      if (before !== undefined) deps.logger.info({}, "columnar store reached");
    } catch (error) {
      missing = error instanceof Error ? error.message : String(error);
      if (before === undefined) deps.logger.warn({ err: error }, "columnar store cannot be reached");
      throw error;
    }
  }

  async function* stream(statement: Statement, format: StreamFormat, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const { text, ...rest } = request(statement, signal);
    const body = await ask("read", signal, async () => {
      const result = await connected().exec({ query: `${text} FORMAT ${format}`, ...rest });
      return result.stream;
    });
    try {
      // Its pieces are Buffers: nobody has set an encoding.
      for await (const piece of body) yield piece as Uint8Array;
    } catch (error) {
      signal?.throwIfAborted();
      throw errorFromServer(error, "read");
    } finally {
      body.destroy();
    }
  }

  const probing = createLoop({
    name: "columnar probe",
    clock,
    intervalMs: probeIntervalMs,
    pass: probe,
    onError: () => undefined, // probe has said it
  });

  return {
    name: "columnar store",
    dialect:
      options.cluster === undefined
        ? { kind: "single" }
        : { kind: "cluster", cluster: options.cluster, database: options.database },
    partsTable:
      options.cluster === undefined ? "system.parts" : `cluster(${quoteString(options.cluster)}, system.parts)`,
    health: () => (missing === undefined ? undefined : `columnar store: ${missing}`),
    query,
    stream,
    async command(statement, signal) {
      await ask("write", signal, () => {
        const { text, ...rest } = request(statement, signal, { wait_end_of_query: 1 });
        return connected().command({ query: text, ...rest });
      });
    },
    async insertFile({ table, path, token }: InsertFile) {
      await ask("write", undefined, async () => {
        const settings: Settings = { ...insertSettings(token), distributed_foreground_insert: 1, wait_end_of_query: 1 };
        const { text, ...rest } = request(
          { text: `INSERT INTO ${quoteIdentifier(table)} FORMAT Native`, parameters: {}, settings },
          undefined,
        );
        const { stream: answer } = await connected().exec({ query: text, values: createReadStream(path), ...rest });
        for await (const _piece of answer); // it answers with nothing; at its end the insert is done
      });
    },
    async start(signal) {
      const { username, password } = await readCredentials(options.credentialsFile);
      client = createClient({
        url: options.url,
        database: options.database,
        username,
        password,
        request_timeout: requestTimeoutMs,
        application: "drawbridge",
        // What fails is thrown, and logged where it is known whether it matters.
        log: { level: ClickHouseLogLevel.OFF },
      });
      const onFailure = (error: unknown): "retry" | "stop" => (isFinal(error) ? "stop" : "retry");
      await retryWithBackoff(probe, { clock, random, onFailure }, signal);
      await probing.start(signal);
    },
    async stop(deadline) {
      await probing.stop(deadline);
      await client?.close();
      client = undefined;
    },
  };
}

/** Settings and parameters both travel in the query of the URL; a parameter is named `param_<name>` there. */
function request({ text, parameters, settings }: Statement, signal: AbortSignal | undefined, more: Settings = {}) {
  const bound = Object.fromEntries(Object.entries(parameters).map(([name, value]) => [`param_${name}`, value]));
  return {
    text,
    clickhouse_settings: { ...settings, ...more, ...bound },
    ...(signal === undefined ? {} : { abort_signal: signal }),
  };
}

function errorFromServer(error: unknown, work: "read" | "write"): DrawbridgeError {
  if (error instanceof ClickHouseError) return errorFromFault({ code: Number(error.code), text: error.message }, work);
  return unavailable(error);
}

/** A server that answers, and will answer the same again: wrong password, no such database. */
function isFinal(error: unknown): boolean {
  return error instanceof Error && "kind" in error && error.kind === "internal";
}

async function readCredentials(path: string): Promise<{ readonly username: string; readonly password: string }> {
  const text = (await readFile(path, "utf8")).trim();
  const colon = text.indexOf(":");
  if (colon < 1) throw invalid("COLUMNAR_CREDENTIALS_INVALID", `${path} does not hold user:password`);
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
