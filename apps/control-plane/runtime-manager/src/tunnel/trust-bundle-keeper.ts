import type { TrustBundleChanged } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { Clock } from "@drawbridge/lifecycle";
import type { CertificateAuthority, SignedTrustBundle } from "../clients/certificate-authority.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { TunnelSession } from "./tunnel-session.ts";

/** The roots that agents should trust, brought to all of them (REN 6). */
export interface TrustBundleKeeper {
  /** Send them to an agent that has older ones, once per session and sequence. */
  offer(session: TunnelSession): void;
  /** What goes beside a certificate that was issued at `sequence`. */
  frameFor(session: TunnelSession, sequence: bigint): Promise<TrustBundleChanged | undefined>;
  /** Ask the authority, and tell every tunnel of this replica what is new. */
  refresh(): Promise<void>;
}

/** A bundle is a few KiB: so many tunnels at a time, so that heartbeats of others are not behind all of them. */
const tunnelsAtOnce = 100;
const pauseMs = 50;

/**
 * The newest bundle is the authority's, with the signatures by which agents believe it: what this service itself trusts
 * would be its own word. Until the authority has answered once nothing is offered.
 */
export function createTrustBundleKeeper(deps: {
  readonly certificateAuthority: Pick<CertificateAuthority, "trustBundle">;
  readonly registry: Pick<SessionRegistry, "all">;
  /** Written down for all replicas, with the time: who is behind for long is shown. */
  readonly note: (sequence: bigint) => Promise<void>;
  readonly clock: Pick<Clock, "sleep">;
}): TrustBundleKeeper {
  let newest: SignedTrustBundle | undefined;
  let noted = 0n;
  /** One object for all tunnels that need the same links, by how many: what an agent says it has is its own number. */
  const frames = new Map<number, TrustBundleChanged>();

  function frameSince(held: bigint): TrustBundleChanged | undefined {
    if (newest === undefined) return undefined;
    const links = newest.succession.filter(({ sequence }) => sequence > held);
    const frame = frames.get(links.length) ?? frameOf(newest, links);
    frames.set(links.length, frame);
    return frame;
  }

  function offer(session: TunnelSession): void {
    const held = session.report.trustBundleSequence;
    if (newest === undefined || held >= newest.sequence || session.sentTrustBundle >= newest.sequence) return;
    const frame = frameSince(held);
    if (frame === undefined) return;
    session.sentTrustBundle = frame.sequence;
    session.send({ $case: "trustBundleChanged", value: frame }, { key: "trust-bundle" });
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

  async function refresh(): Promise<void> {
    const asked = await deps.certificateAuthority.trustBundle();
    const isNews = newest === undefined || asked.sequence > newest.sequence;
    if (isNews) {
      newest = asked;
      frames.clear();
    }
    if (asked.sequence > noted) {
      await deps.note(asked.sequence);
      noted = asked.sequence;
    }
    if (isNews) await tellAll();
  }

  return {
    offer,
    refresh,
    frameFor: async (session, sequence) => {
      if (newest === undefined || newest.sequence < sequence) await refresh();
      return frameSince(session.report.trustBundleSequence);
    },
  };
}

function frameOf(
  { sequence, rootsDer }: SignedTrustBundle,
  links: SignedTrustBundle["succession"],
): TrustBundleChanged {
  return { sequence, rootsDer: rootsDer.map((der) => Buffer.from(der)), succession: links.map(({ jws }) => jws) };
}
