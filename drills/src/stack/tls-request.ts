import { type ClientRequest, type IncomingMessage } from "node:http";
import { request } from "node:https";
import type { Agent, RequestOptions } from "node:https";
import type { ConnectionOptions } from "node:tls";

export interface TlsAnswer {
  readonly status: number;
  readonly body: string;
}

export interface TlsRequest {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Keep-alive; without one the connection is made for this request. */
  readonly agent?: Agent;
}

const timeoutMs = 15_000;

/** One request over TLS; a connection that cannot be made or is cut rejects. */
export function tlsRequest(tls: ConnectionOptions, asked: TlsRequest): Promise<TlsAnswer> {
  return new Promise((resolve, reject) => {
    const body = asked.body === undefined ? "" : JSON.stringify(asked.body);
    const options: RequestOptions = {
      ...(tls as RequestOptions), // the same fields: https hands them to tls.connect
      method: asked.method ?? "GET",
      headers: { ...asked.headers, ...(body === "" ? {} : { "content-type": "application/json" }) },
      agent: asked.agent ?? false,
      timeout: timeoutMs,
    };
    const sent: ClientRequest = request(asked.url, options, (answer: IncomingMessage) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body: text }));
      answer.once("error", reject);
    });
    sent.once("timeout", () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    sent.once("error", reject);
    sent.end(body);
  });
}
