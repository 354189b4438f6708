import type { OutboundFetch, OutboundRequest } from "../policy-services.ts";

/** A server that answers JSON, at the port of `PolicyServices.fetch`. */
export interface ServerOfJson {
  readonly fetch: OutboundFetch;
  readonly requests: OutboundRequest[];
  /** What it answers now; a throw is a broken connection. */
  answer: (request: OutboundRequest) => { readonly status?: number; readonly json: unknown };
}

export function createServerOfJson(answer: ServerOfJson["answer"]): ServerOfJson {
  const server: ServerOfJson = {
    requests: [],
    answer,
    async fetch(request) {
      server.requests.push(request);
      const { status = 200, json } = server.answer(request);
      return { status, headers: {}, body: Buffer.from(typeof json === "string" ? json : JSON.stringify(json)) };
    },
  };
  return server;
}
