import type { OutboundFetch } from "@drawbridge/policies";
import { Agent, request } from "undici";

/** Requests of policies to the operator's servers. No redirects: what the operator named is what is asked. */
export function createOutboundFetch(): OutboundFetch {
  const agents = new Map<string, Agent>();
  const agentFor = (trustedRoots: string | undefined): Agent => {
    const key = trustedRoots ?? "";
    const known = agents.get(key);
    if (known !== undefined) return known;
    const agent = new Agent({ connect: trustedRoots === undefined ? {} : { ca: trustedRoots }, connections: 16 });
    agents.set(key, agent);
    return agent;
  };
  return async ({ method, url, headers, body, timeoutMs, maximumBytes, trustedRoots }) => {
    const answer = await request(url, {
      method,
      headers,
      body: body ?? null,
      dispatcher: agentFor(trustedRoots),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const pieces: Buffer[] = [];
    let size = 0;
    for await (const piece of answer.body) {
      const bytes = Buffer.from(piece);
      size += bytes.length;
      if (size > maximumBytes) throw new Error(`the answer has more than ${maximumBytes} bytes`);
      pieces.push(bytes);
    }
    return { status: answer.statusCode, headers: flatten(answer.headers), body: Buffer.concat(pieces) };
  };
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return flat;
}
