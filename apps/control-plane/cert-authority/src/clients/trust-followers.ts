import type { AgentServiceService, TrustFollower } from "@drawbridge/contracts/runtime/v1/agent_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { GrpcClient } from "@drawbridge/rpc";
import type { AuthorityState } from "../domain/ca-key.ts";
import type { Follower, Followers } from "../domain/rotation.ts";
import type { AcknowledgementRepository } from "../store/acknowledgement-repository.ts";

export interface TrustFollowersDeps {
  readonly acknowledgements: Pick<AcknowledgementRepository, "list">;
  readonly runtimeManager: Pick<GrpcClient<typeof AgentServiceService>["call"], "listTrustFollowers">;
  /** The CA that issued each of these certificates. */
  readonly issuersOf: (serialNumbers: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

/** Who follows the trust bundle, and under which root each one's certificate is. */
export type ReadFollowers = (state: AuthorityState, signal?: AbortSignal) => Promise<Followers>;

/** A party is live if it was seen within this (authority_service.proto). */
const liveForMs = 300_000;
/** A replica of a service that was not seen for this is not shown any more. */
const shownForMs = 86_400_000;
const pageSize = 500;
/** 100,000 agents: beyond that something is wrong with the paging. */
const maxPages = 200;
const timeoutMs = 5_000;

/** A follower whose certificate is not looked up yet. */
type Seen = Omit<Follower, "rootId"> & { readonly serialNumber: string };

/** Services say themselves what they work with; agents tell runtime-manager. */
export function createReadFollowers(deps: TrustFollowersDeps): ReadFollowers {
  return async (state, signal) => {
    const services = await withRoots(await readServices(deps), state, deps);
    try {
      const agents = await withRoots(await readAgents(deps, signal), state, deps);
      return { outcome: "known", followers: [...services, ...agents] };
    } catch (error) {
      signal?.throwIfAborted();
      if (!isDrawbridgeError(error)) throw error;
      return { outcome: "unknown", services, reason: error.message };
    }
  };
}

async function readServices({ acknowledgements }: TrustFollowersDeps): Promise<readonly Seen[]> {
  const found = await acknowledgements.list({ seenWithinMs: shownForMs });
  return found.map(({ service, replica, trustBundleSequence, certificateSerial, seenAt, seenAgoMs }) => ({
    kind: "service",
    name: `${service}/${replica}`,
    fabricId: undefined,
    trustBundleSequence,
    serialNumber: certificateSerial,
    lastSeenAt: seenAt,
    isLive: seenAgoMs < liveForMs,
  }));
}

async function readAgents(
  { runtimeManager }: TrustFollowersDeps,
  signal: AbortSignal | undefined,
): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  let pageToken = "";
  for (let page = 0; page < maxPages; page += 1) {
    const answer = await runtimeManager.listTrustFollowers(
      { pageSize, pageToken, behindSequence: 0n },
      { idempotent: true, timeoutMs, ...(signal ? { signal } : {}) },
    );
    seen.push(...answer.followers.flatMap(seenFromProto));
    pageToken = answer.nextPageToken;
    if (pageToken === "") return seen;
  }
  throw new DrawbridgeError({ kind: "internal", code: "PEER_FAILED", message: "runtime-manager's list does not end" });
}

/** An agent, and its collector if it holds a certificate: the agent hands the bundle to it. */
function seenFromProto(follower: TrustFollower): readonly Seen[] {
  const common = {
    name: follower.fabricName,
    fabricId: follower.fabricId,
    trustBundleSequence: follower.trustBundleSequence,
    lastSeenAt: follower.lastSeenAt ?? new Date(0),
    isLive: follower.live,
  };
  const agent: Seen = { ...common, kind: "agent", serialNumber: follower.certificateSerial };
  if (follower.collectorCertificateSerial === "") return [agent];
  return [agent, { ...common, kind: "collector", serialNumber: follower.collectorCertificateSerial }];
}

async function withRoots(
  seen: readonly Seen[],
  state: AuthorityState,
  { issuersOf }: TrustFollowersDeps,
): Promise<readonly Follower[]> {
  const issuers = await issuersOf(seen.map(({ serialNumber }) => serialNumber));
  const roots = new Map(state.keys.map(({ id, issuerId }) => [id, issuerId]));
  return seen.map(({ serialNumber, ...follower }) => ({
    ...follower,
    rootId: roots.get(issuers.get(serialNumber) ?? ""),
  }));
}
