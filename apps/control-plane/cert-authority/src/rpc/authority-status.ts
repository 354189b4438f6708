import {
  CaKeyState,
  RotationPhase,
  type CaKey as CaKeyProto,
  type Follower as FollowerProto,
  type GetAuthorityStatusResponse,
} from "@drawbridge/contracts/certs/v1/authority_service";
import type { Authority } from "../ca/authority.ts";
import { clocksWarning, type AuthorityTime } from "../ca/authority-clock.ts";
import type { ReadFollowers } from "../clients/trust-followers.ts";
import { issuingRootOf, issuingUnder, type AuthorityState, type CaKey } from "../domain/ca-key.ts";
import { authorityAlerts } from "../domain/authority-alerts.ts";
import { activateAt, prepareAt } from "../domain/issuing-roll-over.ts";
import {
  isBehind,
  isCertificateCurrent,
  nextPhaseAt,
  waitedFor,
  type Follower,
  type RotationTimes,
} from "../domain/rotation.ts";
import { trustBundleToProto } from "./responses.ts";

export interface AuthorityStatusDeps {
  readonly authority: Pick<Authority, "get">;
  readonly readFollowers: ReadFollowers;
  /** Unexpired, unrevoked certificates by the id of the CA that issued them. */
  readonly countLive: (now: Date) => Promise<ReadonlyMap<string, number>>;
  /** Sequence of a newer bundle that somebody has seen; undefined if ours is the newest. */
  readonly newerSequence: () => bigint | undefined;
  readonly times: RotationTimes;
  readonly readTime: () => Promise<AuthorityTime>;
}

const maxFollowers = 500;
/** Retired keys are shown for a year. */
const retiredShownMs = 365 * 86_400_000;

/** Phase, keys and followers, of one instant. */
export function createAuthorityStatus(deps: AuthorityStatusDeps): () => Promise<GetAuthorityStatusResponse> {
  return async () => {
    const { state, trustBundle } = deps.authority.get();
    const time = await deps.readTime();
    const { now } = time;
    const clocks = clocksWarning(time);
    const [found, live] = await Promise.all([deps.readFollowers(state), deps.countLive(now)]);
    const followers = found.outcome === "known" ? found.followers : found.services;
    const issuing = issuingUnder(state.keys, issuingRootOf(state, "service"), "active");
    return {
      phase: phaseToProto[state.rotation.phase],
      phaseSince: state.rotation.since,
      nextPhaseAt: nextPhaseAt(state, deps.times),
      trustBundle: trustBundleToProto(trustBundle),
      keys: shownKeys(state, now).map((key) => keyToProto(key, liveUnder(key, state, live))),
      followers: followers
        .toSorted((left, right) => Number(isBehind(state, right)) - Number(isBehind(state, left)))
        .slice(0, maxFollowers)
        .map((follower) => followerToProto(follower, state)),
      waitingFor: waitedFor(state, followers).length,
      alerts: [
        ...(clocks === undefined ? [] : [`CLOCKS_DISAGREE: ${clocks}. Set them right.`]),
        ...authorityAlerts({ state, followers: found, newerSequence: deps.newerSequence(), now, times: deps.times }),
      ],
      issuingPrepareAt: issuing && prepareAt(issuing),
      issuingActivateAt: issuing && activateAt(issuing),
    };
  };
}

export function followerToProto(follower: Follower, state: AuthorityState): FollowerProto {
  return {
    kind: follower.kind,
    name: follower.name,
    fabricId: follower.fabricId ?? "",
    trustBundleSequence: follower.trustBundleSequence,
    certificateCurrent: isCertificateCurrent(state, follower),
    lastSeenAt: follower.lastSeenAt,
    live: follower.isLive,
  };
}

function shownKeys({ keys }: AuthorityState, now: Date): readonly CaKey[] {
  const isShown = ({ retiredAt }: CaKey): boolean => !retiredAt || now.getTime() - retiredAt.getTime() < retiredShownMs;
  return keys.filter(isShown).toReversed();
}

function liveUnder(key: CaKey, { keys }: AuthorityState, live: ReadonlyMap<string, number>): number {
  const issuers = key.kind === "issuing" ? [key] : keys.filter(({ issuerId }) => issuerId === key.id);
  return issuers.reduce((sum, { id }) => sum + (live.get(id) ?? 0), 0);
}

function keyToProto(key: CaKey, liveCertificates: number): CaKeyProto {
  return {
    id: key.id,
    kind: key.kind,
    state: stateToProto[key.state],
    serialNumber: key.serialNumber,
    spkiSha256: key.spkiPin,
    issuerId: key.issuerId,
    notBefore: key.notBefore,
    notAfter: key.notAfter,
    liveCertificates,
  };
}

const stateToProto = {
  prepared: CaKeyState.CA_KEY_STATE_PREPARED,
  active: CaKeyState.CA_KEY_STATE_ACTIVE,
  old: CaKeyState.CA_KEY_STATE_OLD,
  retired: CaKeyState.CA_KEY_STATE_RETIRED,
} as const satisfies Record<CaKey["state"], CaKeyState>;

const phaseToProto = {
  standby: RotationPhase.ROTATION_PHASE_STANDBY,
  init: RotationPhase.ROTATION_PHASE_INIT,
  update_clients: RotationPhase.ROTATION_PHASE_UPDATE_CLIENTS,
  update_servers: RotationPhase.ROTATION_PHASE_UPDATE_SERVERS,
  rollback: RotationPhase.ROTATION_PHASE_ROLLBACK,
} as const satisfies Record<AuthorityState["rotation"]["phase"], RotationPhase>;
