import { DrawbridgeError } from "@drawbridge/errors";
import { createSlots } from "../control/slots.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";

/** Parts of what gateways enforce, fetched through the tunnel for whoever asks. Nothing is kept. */
export interface ObjectProxy {
  /**
   * The first of the objects, in the order of `digests`, as many as fit in an answer; at least one.
   * @throws DrawbridgeError `GATEWAY_REQUEST_INVALID` (invalid_argument) | `TUNNEL_DOWN` (unavailable) | what the control plane answers
   */
  fetch(digests: readonly Buffer[], signal: AbortSignal): Promise<readonly Buffer[]>;
}

const digestBytes = 32;
const digestsAtOnce = 256;
/** As the control plane's own answers. */
const answerBytes = 4 * 1024 * 1024;
/** Requests of this agent under way: the control plane takes four. */
const callsAtOnce = 2;

/** Invariant: of one object at most one request is under way, however many gateways want it. */
export function createObjectProxy(options: {
  readonly session: () => Pick<TunnelSession, "getApiObjects"> | undefined;
  /** Ends what is under way. */
  readonly stopping: AbortSignal;
}): ObjectProxy {
  const slots = createSlots(callsAtOnce);
  /** undefined: the answer had no room for it. */
  const underWay = new Map<string, Promise<Buffer | undefined>>();

  async function ask(digests: readonly Buffer[]): Promise<readonly Buffer[]> {
    const release = await slots.acquire(options.stopping);
    try {
      const session = options.session();
      if (!session) throw tunnelDown();
      return (await session.getApiObjects(digests, options.stopping)).objects;
    } finally {
      release();
    }
  }

  /** Ask for those that nobody has asked for yet. */
  function begin(digests: readonly Buffer[]): void {
    const mine = digests.filter((digest) => !underWay.has(digest.toString("hex")));
    if (mine.length === 0) return;
    const answer = ask(mine);
    for (const [index, digest] of mine.entries()) {
      const key = digest.toString("hex");
      const object = answer.then((objects) => objects[index]).finally(() => underWay.delete(key));
      object.catch(() => undefined); // whoever waits for it is told
      underWay.set(key, object);
    }
  }

  async function collect(digests: readonly Buffer[]): Promise<readonly Buffer[]> {
    const promised = digests.map((digest) => underWay.get(digest.toString("hex")));
    const objects: Buffer[] = [];
    let bytes = 0;
    for (const promise of promised) {
      const object = await promise;
      if (object === undefined || (objects.length > 0 && bytes + object.length > answerBytes)) break;
      objects.push(object);
      bytes += object.length;
    }
    return objects;
  }

  return {
    fetch: async (digests, signal) => {
      const isValid = digests.length > 0 && digests.length <= digestsAtOnce;
      if (!isValid || digests.some(({ length }) => length !== digestBytes)) throw invalid();
      for (;;) {
        signal.throwIfAborted();
        begin(digests);
        const objects = await collect(digests);
        if (objects.length > 0) return objects;
        // The first one was in somebody else's request, whose answer had no room for it: now it is asked for here.
      }
    },
  };
}

export function tunnelDown(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "TUNNEL_DOWN",
    message: "the agent has no session with the control plane now; ask again when it has one",
  });
}

function invalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "GATEWAY_REQUEST_INVALID",
    message: `a gateway asks for 1 to ${digestsAtOnce} objects by digests of ${digestBytes} bytes`,
  });
}
