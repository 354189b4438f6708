import { randomUUID } from "node:crypto";
import type { ConnectionOptions } from "node:tls";
import { DrawbridgeError } from "@drawbridge/errors";
import { clientTlsOptions, parseTrustBundleJson } from "@drawbridge/pki";
import { Agent, type Dispatcher, request } from "undici";
import type { z } from "zod";
import type { Context } from "../context/context-file.ts";
import { errorFromResponse } from "./problem.ts";
import { transportError } from "./transport-error.ts";

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** management-api, with a login. */
export interface ApiClient {
  /** A JSON answer, checked against `schema`. Writes carry an Idempotency-Key, so that a retry never doubles them. */
  call<T extends z.ZodType>(path: string, schema: T, options?: CallOptions): Promise<z.output<T>>;
  /** An answer without a body that matters. */
  send(path: string, options?: CallOptions): Promise<void>;
  /** The raw answer; the caller reads its body. Throws on statuses from 400 unless they are in `allow`. */
  open(
    path: string,
    options: CallOptions & {
      readonly rawBody?: Dispatcher.DispatchOptions["body"];
      /** How long the server may take to answer once it has the request (default: 30 s). */
      readonly answerTimeoutMs?: number;
      readonly allow?: readonly number[];
    },
  ): Promise<Dispatcher.ResponseData>;
  /** Sequence of the control plane's trust bundle as its last answer told it; undefined before, and of an earlier server. */
  trustBundleSequence(): number | undefined;
  /** Trust by this bundle (trust-bundle.json) from the next request on; those that run end on their connections. */
  trust(trustBundle: string): void;
  close(): Promise<void>;
}

/** The SPIFFE ID path that the server must have: host names do not matter, identities do. */
export const managementApiPath = "/cp/management-api";

const connectTimeoutMs = 10_000;
const headersTimeoutMs = 30_000;

export function createApiClient(
  context: Pick<Context, "url" | "trustBundle"> & { readonly token?: string },
): ApiClient {
  return createClientOver(context.url, agentTrusting(context.trustBundle), context.token);
}

function agentTrusting(text: string): Agent {
  const trustBundle = parseTrustBundleJson(text);
  return createTlsAgent(
    clientTlsOptions({ trustBundle }, { expectedServer: managementApiPath, alpnProtocols: ["http/1.1"] }),
  );
}

/** A connection pool that trusts as `tls` says. */
export function createTlsAgent(tls: ConnectionOptions): Agent {
  return new Agent({
    // undici's type forbids the explicit undefined that Node's own ConnectionOptions allows; the options are Node's.
    connect: { ...tls, timeout: connectTimeoutMs } as Agent.Options["connect"] & object,
    allowH2: false,
    headersTimeout: headersTimeoutMs,
    bodyTimeout: 0,
  });
}

/** A client over a dispatcher that already knows whom to trust. */
export function createClientOver(baseUrl: string, trusted: Agent, token?: string): ApiClient {
  let dispatcher = trusted;
  let trustBundleSequence: number | undefined;
  const open: ApiClient["open"] = async (path, options) => {
    const url = new URL(path, baseUrl);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const method = options.method ?? "GET";
    const isWrite = method !== "GET" && method !== "HEAD";
    let response: Dispatcher.ResponseData;
    try {
      response = await request(url, {
        dispatcher,
        method,
        headers: {
          accept: "application/json, application/problem+json, application/x-ndjson",
          traceparent: newTraceparent(),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(options.body === undefined ? {} : { "content-type": "application/json" }),
          ...(isWrite ? { "idempotency-key": randomUUID() } : {}),
          ...options.headers,
        },
        body: options.rawBody ?? (options.body === undefined ? null : JSON.stringify(options.body)),
        ...(options.answerTimeoutMs === undefined ? {} : { headersTimeout: options.answerTimeoutMs }),
        ...(options.signal ? { signal: options.signal } : {}),
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw transportError(error, baseUrl);
    }
    const told = Number(response.headers["drawbridge-trust-bundle-sequence"]);
    if (Number.isSafeInteger(told)) trustBundleSequence = told;
    if (response.statusCode >= 400 && !(options.allow ?? []).includes(response.statusCode)) {
      throw errorFromResponse(response.statusCode, await response.body.text());
    }
    return response;
  };
  return {
    open,
    call: async (path, schema, options = {}) => {
      const response = await open(path, options);
      const parsed = schema.safeParse(await response.body.json());
      if (parsed.success) return parsed.data;
      throw new DrawbridgeError({
        kind: "internal",
        code: "UNEXPECTED_RESPONSE",
        message: `the control plane's answer to ${path} is not what this version of drawbridge understands (${parsed.error.issues[0]?.path.join(".") ?? "body"}); are the versions far apart?`,
      });
    },
    send: async (path, options = {}) => {
      const response = await open(path, options);
      await response.body.dump();
    },
    trustBundleSequence: () => trustBundleSequence,
    trust: (trustBundle) => {
      const old = dispatcher;
      dispatcher = agentTrusting(trustBundle);
      old.close().catch(() => undefined); // its requests report their own errors
    },
    close: () => dispatcher.destroy(),
  };
}

/** A new trace, sampled (W3C Trace Context 3.2): the operator's command is its root. */
function newTraceparent(): string {
  const hex = (randomUUID() + randomUUID()).replaceAll("-", "");
  return `00-${hex.slice(0, 32)}-${hex.slice(32, 48)}-01`;
}
