import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { isBlockedAddress, type OutboundFetch } from "@drawbridge/policies";
import { Agent, request } from "undici";

/** The system's, for undici to connect to what was looked at and to nothing else. */
const systemLookup: LookupFunction = (name, options, done) => lookup(name, { ...options, all: true }, done);

/** Of as many lists of CAs; every change of a policy's list is another one. */
const mostAgents = 64;

/**
 * Requests of policies to the operator's servers. No redirects: what the operator named is what is asked. A name that leads
 * to the cloud's metadata service is not.
 */
export function createOutboundFetch(resolve: LookupFunction = systemLookup): OutboundFetch {
  const agents = new Map<string, Agent>();
  const agentFor = (trustedRoots: string | undefined): Agent => {
    const key = trustedRoots ?? "";
    const known = agents.get(key);
    if (known !== undefined) return known;
    const connect = { lookup: guarded(resolve), ...(trustedRoots !== undefined && { ca: trustedRoots }) };
    const agent = new Agent({ connect, connections: 16 });
    agents.set(key, agent);
    const [oldest] = agents;
    if (agents.size > mostAgents && oldest !== undefined) {
      agents.delete(oldest[0]);
      void oldest[1].close(); // after the requests that are under way; a policy that needs it again opens another
    }
    return agent;
  };
  return async ({ method, url, headers, body, timeoutMs, maximumBytes, trustedRoots }) => {
    assertMayBeAsked(new URL(url).hostname); // an address is not looked up
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

function assertMayBeAsked(address: string): void {
  if (isBlockedAddress(address))
    throw new Error(`${address} is a link-local or metadata address: no policy may ask it`);
}

/** A look-up that gives no address which no policy may ask; one among many spoils all of them. */
function guarded(resolve: LookupFunction): LookupFunction {
  return (name, options, done) => {
    resolve(name, options, (error, found, family) => {
      if (error !== null) return done(error, found, family);
      const addresses = Array.isArray(found) ? found : [{ address: found, family: family ?? 0 }];
      try {
        for (const { address } of addresses) assertMayBeAsked(address);
      } catch (blocked) {
        return done(blocked as Error, []); // thrown above
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) return done(null, addresses);
      return done(null, first.address, first.family);
    });
  };
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return flat;
}
