import type { Clock } from "@drawbridge/lifecycle";
import type { Metrics } from "@drawbridge/telemetry";
import type { Connection } from "./listener.ts";
import type { RevocationCheck } from "./revocation-check.ts";

/** Say goodbye to a peer whose certificate was revoked, then `cut`. What takes longer than 1 s is cut off. */
export type OnRevoked = (connection: Connection, cut: () => void) => void;

export interface ConnectionWatch {
  /** Look at a connection that has just been established. */
  admit(connection: Connection): void;
  start(): void;
  stop(): void;
}

/** How often live connections are looked at; revocations are felt at once, this is for what expired (design R9). */
const lookIntervalMs = 60_000;
/** The longest that a peer is kept on to be told why. */
const goodbyeMs = 1_000;

/**
 * TLS looks at a certificate in the handshake only. This ends connections whose certificate was revoked or has expired
 * since, with all their streams. A peer that is revoked when it comes gets a second in which each of its calls is
 * answered with CERTIFICATE_REVOKED: it learns why, and no handler runs.
 */
export function createConnectionWatch(options: {
  readonly name: string;
  readonly revocations: RevocationCheck | undefined;
  readonly onRevoked: OnRevoked | undefined;
  readonly connections: () => Iterable<Connection>;
  readonly clock: Clock;
  readonly metrics: Metrics | undefined;
}): ConnectionWatch {
  const { revocations, clock } = options;
  const stopping = new AbortController();
  const going = new WeakSet<Connection>();
  const cutConnections = options.metrics?.counter("connections_cut", {
    description: "live connections ended because of their certificate",
  });
  let stopListening = (): void => undefined;

  function look(): void {
    const now = clock.now();
    for (const connection of options.connections()) {
      const { peer } = connection;
      if (!peer || going.has(connection)) continue;
      if (now >= peer.notAfter) end(connection, "expired");
      else if (revocations?.refusal(peer)) end(connection, "revoked");
    }
  }

  function end(connection: Connection, reason: "revoked" | "expired"): void {
    cutConnections?.add(1, { listener: options.name, reason });
    const cut = (): void => connection.close(`certificate ${reason}`);
    if (reason === "expired" || !options.onRevoked) return cut();
    cutInASecond(connection);
    try {
      options.onRevoked(connection, cut);
    } catch {
      cut(); // a goodbye that fails is no reason to stay
    }
  }

  function cutInASecond(connection: Connection): void {
    going.add(connection);
    const gone = new AbortController();
    void connection.closed.then(() => gone.abort());
    clock.sleep(goodbyeMs, gone.signal).then(
      () => connection.close("certificate revoked"),
      () => undefined, // it is gone
    );
  }

  async function lookAgainAndAgain(): Promise<void> {
    for (;;) {
      await clock.sleep(lookIntervalMs, stopping.signal);
      look();
    }
  }

  return {
    admit: (connection) => {
      if (connection.peer && revocations?.refusal(connection.peer)) cutInASecond(connection);
    },
    start: () => {
      stopListening = revocations?.onRevoked(look) ?? stopListening;
      lookAgainAndAgain().catch(() => undefined); // ends when stop() aborts it
    },
    stop: () => {
      stopListening();
      stopping.abort(new Error("stopping"));
    },
  };
}
