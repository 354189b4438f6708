import { headerValue, removeHeader, setHeader, type HeaderList } from "./header-list.ts";
import type { Reply } from "./reply.ts";
import type { ClientContract } from "../contracts/contract-set.ts";

/** The body, or why there is none to look at. */
export type LoadedBody = Uint8Array | "too_large";

export interface ExchangeOptions {
  /** Request id; "instance" of problem documents. */
  readonly id: string;
  /** Upper case. */
  readonly method: string;
  /** Host and port that the client asked for, lower case. */
  readonly authority: string;
  /** Normalised path, exactly as it is sent upstream. Begins with "/". */
  readonly path: string;
  /** `path` below the API's base path. Begins with "/". */
  readonly relativePath: string;
  /** Without "?"; empty if there is none. */
  readonly query: string;
  /**
   * Of the request, without hop-by-hop fields; policies change it in place and what is left is sent upstream. X-Forwarded-*
   * is what the client sent: the gateway writes its own after the policies.
   */
  readonly rawHeaders: HeaderList;
  /** Address of the other end of the connection, without brackets or zone. */
  readonly peerAddress: string;
  /** Address of the client as the gateway's own trusted proxies tell it; peerAddress if there are none. */
  readonly clientAddress: string;
  readonly isTls: boolean;
  /** Wall clock when the head had been read, milliseconds since 1970. */
  readonly nowMs: number;
  /** The same instant, monotonic. */
  readonly monotonicMs: number;
  /** Declared length of the body; 0 without one, undefined if it is chunked. */
  readonly contentLength: number | undefined;
  /**
   * Read the whole body if it has at most `limitBytes`; called at most once, by the pipeline. An empty array if there is none. The gateway
   * then sends these bytes upstream. Rejects when the client breaks off.
   */
  readonly loadBody: (limitBytes: number) => LoadedBody | Promise<LoadedBody>;
}

/** A request and its response on their way through the policies of one API. One per request, never shared or reused. */
export class Exchange {
  readonly id: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly relativePath: string;
  readonly query: string;
  readonly rawHeaders: HeaderList;
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly isTls: boolean;
  readonly nowMs: number;
  readonly monotonicMs: number;
  readonly contentLength: number | undefined;
  readonly loadBody: (limitBytes: number) => LoadedBody | Promise<LoadedBody>;

  /** The body; set before the first policy that asked for it runs. */
  body: Uint8Array | undefined = undefined;
  /** The client application, once a policy knows it. */
  client: ClientContract | undefined = undefined;
  /** Claims of whoever was authenticated, once a policy knows them: `sub` at least. */
  principal: Readonly<Record<string, unknown>> | undefined = undefined;
  /** What a policy replied instead of the upstream. */
  reply: Reply | undefined = undefined;
  /** Policies of the pipeline that have run: their response hooks run too. Kept by the pipeline. */
  reached = 0;
  #state: unknown[] | undefined = undefined;

  constructor(options: ExchangeOptions) {
    this.id = options.id;
    this.method = options.method;
    this.authority = options.authority;
    this.path = options.path;
    this.relativePath = options.relativePath;
    this.query = options.query;
    this.rawHeaders = options.rawHeaders;
    this.peerAddress = options.peerAddress;
    this.clientAddress = options.clientAddress;
    this.isTls = options.isTls;
    this.nowMs = options.nowMs;
    this.monotonicMs = options.monotonicMs;
    this.contentLength = options.contentLength;
    this.loadBody = options.loadBody;
  }

  /** Value of a request header; `name` in lower case. */
  header(name: string): string | undefined {
    return headerValue(this.rawHeaders, name);
  }

  setHeader(name: string, value: string): void {
    setHeader(this.rawHeaders, name, value);
  }

  removeHeader(name: string): boolean {
    return removeHeader(this.rawHeaders, name);
  }

  /** What a policy left for its response hook; `slot` is the policy's own (PolicyContext). */
  state(slot: number): unknown {
    return this.#state?.[slot];
  }

  setState(slot: number, value: unknown): void {
    this.#state ??= [];
    this.#state[slot] = value;
  }
}

/** Who made a response. */
export type ResponseOrigin = "upstream" | "policy" | "gateway";

/** The head of the response before it is sent to the client. Policies change it in place. */
export class ResponseHead {
  status: number;
  /** Without hop-by-hop fields. */
  readonly rawHeaders: HeaderList;
  readonly origin: ResponseOrigin;

  constructor(status: number, rawHeaders: HeaderList, origin: ResponseOrigin) {
    this.status = status;
    this.rawHeaders = rawHeaders;
    this.origin = origin;
  }

  header(name: string): string | undefined {
    return headerValue(this.rawHeaders, name);
  }

  setHeader(name: string, value: string): void {
    setHeader(this.rawHeaders, name, value);
  }

  /** Add a field beside those of the same name. */
  appendHeader(name: string, value: string): void {
    this.rawHeaders.push(name, value);
  }

  removeHeader(name: string): boolean {
    return removeHeader(this.rawHeaders, name);
  }
}

/** How it ended, told once per exchange. */
export interface ExchangeEnd {
  /** Of the response; 0 if none was begun. */
  readonly status: number;
  readonly origin: ResponseOrigin;
  /** False if either side broke off. */
  readonly isComplete: boolean;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}
