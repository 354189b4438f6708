import type { TrustBundleChanged } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { Clock } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import type { CertificateAuthority } from "../clients/certificate-authority.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { TunnelSession } from "./tunnel-session.ts";

/** The roots that agents should trust, brought to all of them (REN 6). */
export interface TrustBundleKeeper {
  /** Send them to an agent that has older ones, once per session and sequence. */
  offer(session: TunnelSession): void;
  /** Ask the authority, and tell every tunnel of this replica what is new. */
  refresh(): Promise<void>;
}

/** A bundle is a few KiB: so many tunnels at a time, so that heartbeats of others are not behind all of them. */
const tunnelsAtOnce = 100;
const pauseMs = 50;

/**
 * The newest bundle of two sources: what this service itself trusts, and what the authority says. The first one is there
 * at every start; the second one is sooner, because a service renews its own identity in its own time.
 */
export function createTrustBundleKeeper(deps: {
  readonly identity: Pick<IdentityHolder, "get">;
  readonly certificateAuthority: Pick<CertificateAuthority, "trustBundle">;
  readonly registry: Pick<SessionRegistry, "all">;
  /** Written down for all replicas, with the time: who is behind for long is shown. */
  readonly note: (sequence: bigint) => Promise<void>;
  readonly clock: Pick<Clock, "sleep">;
}): TrustBundleKeeper {
  let newest: TrustBundleChanged | undefined;
  let noted = 0n;

  /** One object for all tunnels until it changes. */
  function current(): TrustBundleChanged {
    const { sequence, rootsDer } = deps.identity.get().trustBundle;
    if (newest === undefined || newest.sequence < sequence) newest = frameOf({ sequence, rootsDer });
    return newest;
  }

  function offer(session: TunnelSession): void {
    const bundle = current();
    if (session.report.trustBundleSequence >= bundle.sequence || session.sentTrustBundle >= bundle.sequence) return;
    session.sentTrustBundle = bundle.sequence;
    session.send({ $case: "trustBundleChanged", value: bundle }, { key: "trust-bundle" });
  }

  async function tellAll(): Promise<void> {
    let inTurn = 0;
    for (const session of Array.from(deps.registry.all())) {
      if (session.isOver || !session.isWelcomed) continue; // the welcome offers it
      offer(session);
      inTurn += 1;
      if (inTurn % tunnelsAtOnce === 0) await deps.clock.sleep(pauseMs);
    }
  }

  return {
    offer,
    refresh: async () => {
      const before = newest?.sequence;
      const asked = await deps.certificateAuthority.trustBundle();
      if (asked.sequence > current().sequence) newest = frameOf(asked);
      const { sequence } = current();
      if (sequence > noted) {
        await deps.note(sequence);
        noted = sequence;
      }
      if (sequence !== before) await tellAll();
    },
  };
}

function frameOf(bundle: { readonly sequence: bigint; readonly rootsDer: readonly Uint8Array[] }): TrustBundleChanged {
  return { sequence: bundle.sequence, rootsDer: bundle.rootsDer.map((der) => Buffer.from(der)) };
}
