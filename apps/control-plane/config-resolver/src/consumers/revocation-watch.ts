import { eventCodecs, eventSubject } from "@drawbridge/contracts";
import type { Bus } from "@drawbridge/bus";
import { isDrawbridgeError } from "@drawbridge/errors";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Connection } from "@drawbridge/rpc";
import { field, type Logger } from "@drawbridge/telemetry";
import type { PeerStanding } from "../domain/peer-standing.ts";

const revoked = "certs.certificate.revoked.v1";
/** How often live connections are looked at (design R9): what was announced while the bus was away is found here. */
const recheckMs = 60_000;

/**
 * A revoked certificate is refused, and its open connections are cut, within seconds (REN 6): at once when the revocation is
 * announced, at the latest when connections are looked at. Every replica hears every announcement.
 */
export function createRevocationWatch(deps: {
  readonly bus: Pick<Bus, "subscribe">;
  readonly standing: PeerStanding;
  readonly connections: () => Iterable<Connection>;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { bus, standing, connections, clock, logger } = deps;
  let subscription: ReturnType<Bus["subscribe"]> | undefined;

  function onRevoked(data: Uint8Array): void {
    const { serialNumber } = eventCodecs[revoked].fromJSON(JSON.parse(Buffer.from(data).toString("utf8")));
    standing.revoke(serialNumber);
    for (const connection of connections()) {
      if (connection.peer?.serialNumber === serialNumber) connection.close("certificate revoked");
    }
  }

  async function recheck(signal: AbortSignal): Promise<void> {
    for (const connection of connections()) {
      const { peer } = connection;
      if (peer === undefined) continue;
      if (clock.now() >= peer.notAfter) connection.close("certificate expired");
      else await standing.assertGood(peer.serialNumber, signal).catch((error: unknown) => cutIfBad(connection, error));
    }
  }

  /** An answer cuts; a question without an answer does not, and is asked again. */
  function cutIfBad(connection: Connection, error: unknown): void {
    if (isDrawbridgeError(error) && error.kind === "unauthenticated") connection.close(error.message);
  }

  const loop = createLoop({
    name: "connection check",
    clock,
    intervalMs: recheckMs,
    pass: recheck,
    onError: (error) =>
      logger.warn({ err: error, [field.component]: "connection check" }, "connections could not be checked"),
  });

  return {
    name: "revocation watch",
    start: async (signal) => {
      subscription = bus.subscribe(eventSubject(revoked, "*"), ({ data }) => onRevoked(data));
      await loop.start(signal);
    },
    stop: async (deadline) => {
      await loop.stop(deadline);
      await subscription?.close();
    },
  };
}
