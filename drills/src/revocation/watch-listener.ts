import { connect, type TLSSocket } from "node:tls";
import { systemClock } from "@drawbridge/lifecycle";
import { clientTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";
import type { Listener } from "./listeners.ts";

export interface ListenerWatch {
  readonly listener: string;
  /**
   * When, by the monotonic clock, the certificate was good for nothing at this listener any more: the connection that was open
   * is cut and the last new one that was let in had begun. Undefined if that did not come until `giveUp`.
   */
  refusedAtMs(giveUp: AbortSignal): Promise<number | undefined>;
}

const probeEveryMs = 150;
/** A connection that is refused only after the handshake is closed within a second. */
const refusedWithinMs = 1_500;
const refusalsInARow = 3;
const sessionWithinMs = 1_000;

/**
 * Hold one connection open with this certificate.
 * @throws Error where the certificate is not accepted now: then there is nothing to measure
 */
export async function watchListener(listener: Listener, identity: IdentitySnapshot): Promise<ListenerWatch> {
  const held = await open(listener, identity);
  if (held === undefined) throw new Error(`${listener.name} does not accept the certificate before it is revoked`);
  const cut = closed(held).then(() => systemClock.monotonicMs());
  return {
    listener: listener.name,
    refusedAtMs: async (giveUp) => {
      giveUp.addEventListener("abort", () => held.destroy(), { once: true });
      const cutAtMs = await cut;
      let lastLetInAtMs = 0;
      for (let refusals = 0; refusals < refusalsInARow && !giveUp.aborted;) {
        const begunAtMs = systemClock.monotonicMs();
        const isIn = await isLetIn(listener, identity);
        if (isIn) lastLetInAtMs = begunAtMs;
        refusals = isIn ? 0 : refusals + 1;
        await systemClock.sleep(probeEveryMs, giveUp).catch(() => undefined); // given up
      }
      return giveUp.aborted ? undefined : Math.max(cutAtMs, lastLetInAtMs);
    },
  };
}

/** Whether a new connection with this certificate, and with a TLS session from before, stays open. */
export async function isLetIn(listener: Listener, identity: IdentitySnapshot, session?: Buffer): Promise<boolean> {
  const socket = await open(listener, identity, session);
  if (socket === undefined) return false;
  const over = new AbortController();
  const stayed = systemClock
    .sleep(refusedWithinMs, over.signal)
    .then(() => true)
    .catch(() => false);
  const isIn = await Promise.race([stayed, closed(socket).then(() => false)]);
  over.abort(new Error("decided"));
  socket.destroy();
  return isIn;
}

/**
 * The TLS session that this listener gives with a connection, for a later one; undefined if it gives none within a second.
 * @throws Error where the certificate is not accepted now
 */
export async function takeSession(listener: Listener, identity: IdentitySnapshot): Promise<Buffer | undefined> {
  const over = new AbortController();
  let session: Buffer | undefined;
  const socket = await open(listener, identity, undefined, (given) => {
    session = given;
    over.abort(new Error("given"));
  });
  if (socket === undefined) throw new Error(`${listener.name} does not accept the certificate while it is valid`);
  await systemClock.sleep(sessionWithinMs, over.signal).catch(() => undefined); // given
  socket.destroy();
  return session;
}

/** Undefined if the handshake fails. */
function open(
  listener: Listener,
  identity: IdentitySnapshot,
  session?: Buffer,
  onSession?: (session: Buffer) => void,
): Promise<TLSSocket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      ...clientTlsOptions(identity, {
        expectedServer: `/cp/${listener.server}`,
        alpnProtocols: [listener.protocol],
      }),
      host: "127.0.0.1",
      port: listener.port,
      ...(session ? { session } : {}),
    });
    if (onSession) socket.once("session", onSession);
    socket.resume(); // else the server's end is never seen
    socket.once("secureConnect", () => resolve(socket));
    socket.on("error", () => resolve(undefined)); // also later ones: a cut is what is waited for
  });
}

function closed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once("close", () => resolve());
  });
}
