/** One request and its answer, over HTTP/2 or HTTP/1.1. */
export interface Exchange {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Of the client: what a trusted proxy announced, else that of the TCP connection. */
  readonly remoteAddress: string;
  /** As the client says; undefined if it does not. */
  readonly contentLength: number | undefined;
  /** One value of a field, by its lower-case name; undefined without it, and where it came several times. */
  header(name: string): string | undefined;
  /**
   * Take the body; until then nothing of it is asked for. Once.
   * @throws DrawbridgeError `BODY_TOO_LARGE` (413) | `BODY_TOO_SLOW` (408) | `CALL_CANCELLED`
   */
  readBody(limits: { readonly limitBytes: number; readonly timeoutMs: number }): Promise<Buffer>;
}

export interface ExchangeAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the server does with one, whichever protocol it came by. */
export interface ServedExchange extends Exchange {
  /** Does nothing if the client has gone. What was not read of the body is not read any more. */
  answer(answer: ExchangeAnswer): void;
  /** Resolves when it is over, answered or not. */
  readonly over: Promise<{ readonly answered: boolean }>;
}

export function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** A length that can be believed, or undefined. */
export function lengthOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
