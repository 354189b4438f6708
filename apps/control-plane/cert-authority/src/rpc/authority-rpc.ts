import {
  AuthorityServiceService,
  RotationPhase as RotationPhaseProto,
  type GetAuthorityStatusResponse,
} from "@drawbridge/contracts/certs/v1/authority_service";
import type { Clock } from "@drawbridge/lifecycle";
import type { PeerIdentity } from "@drawbridge/pki";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { Authority } from "../ca/authority.ts";
import { logStep } from "../ca/authority-keeper.ts";
import type { AuthorityStep, ChangeAuthority, ChangeRequest } from "../ca/change-authority.ts";
import type { ReadFollowers } from "../clients/trust-followers.ts";
import { issuingRootOf, rootOf, type Audience, type AuthorityState, type RotationPhase } from "../domain/ca-key.ts";
import { renewalInFlightMs } from "../domain/revocation.ts";
import { planForcedAdvance, planRollBack, planStart } from "../domain/rotation.ts";
import { findSuccession, type SuccessionLink } from "../domain/trust-succession.ts";
import type { AcknowledgementRepository } from "../store/acknowledgement-repository.ts";
import { followerToProto } from "./authority-status.ts";
import { invalid, requireReplica, requireSerialNumber, requireSpkiPins, requireText, requireUuid } from "./requests.ts";
import type { CertificateRepository } from "../store/certificate-repository.ts";
import { trustBundleToProto } from "./responses.ts";

export interface AuthorityRpcDeps {
  readonly authority: Pick<Authority, "current" | "refresh">;
  readonly changeAuthority: ChangeAuthority;
  readonly readStatus: () => Promise<GetAuthorityStatusResponse>;
  readonly readFollowers: ReadFollowers;
  readonly readSuccession: () => Promise<readonly SuccessionLink[]>;
  readonly lastRotationRequest: () => Promise<string | undefined>;
  readonly acknowledgements: Pick<AcknowledgementRepository, "write">;
  readonly certificates: Pick<CertificateRepository, "noteUse">;
  readonly issuersOf: (serialNumbers: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  /** Collectors' certificates that an operator revoked, of agents that go on. */
  readonly revokedCollectors: (options: {
    readonly serialNumbers: readonly string[];
    readonly revokedBefore: Date;
  }) => Promise<ReadonlySet<string>>;
  /** Told the sequence that somebody works with. */
  readonly sawSequence: (sequence: bigint) => void;
  /** Throws if no trust bundle may be handed out now. */
  readonly assertCurrent: () => void;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
}

const managementApi = { service: "management-api" } as const;
const activation = { service: "activation" } as const;
const runtimeManager = { service: "runtime-manager" } as const;
const longestName = 128;
const mostSerialNumbers = 1_000;
const longestReason = 200;

export function createAuthorityRpc(deps: AuthorityRpcDeps): GrpcServiceDefinition {
  const { authority, readStatus } = deps;

  async function change(
    decide: (state: AuthorityState) => AuthorityStep | undefined,
    request: ChangeRequest,
  ): Promise<AuthorityStep | undefined> {
    const step = await deps.changeAuthority(decide, request);
    await authority.refresh();
    if (step) logStep(deps.logger, step);
    return step;
  }

  return defineGrpcService(AuthorityServiceService, {
    allow: {
      getAuthorityStatus: [managementApi],
      startRotation: [managementApi],
      advanceRotation: [managementApi],
      rollBackRotation: [managementApi],
      getTrustSuccession: [activation],
      acknowledgeTrustBundle: ["any-service"],
      listOutdatedCertificates: [runtimeManager],
    },
    handlers: {
      getAuthorityStatus: () => readStatus(),
      startRotation: async (request) => {
        const requestId = requireUuid("request_id", request.requestId);
        const requestedBy = requireText("requested_by", request.requestedBy, longestName);
        const reason = requireText("reason", request.reason, longestReason);
        if ((await deps.lastRotationRequest()) !== requestId) {
          await change(planStart, { requestId, requestedBy, reason });
        }
        return { status: await readStatus() };
      },
      advanceRotation: async (request) => {
        const requestedBy = requireText("requested_by", request.requestedBy, longestName);
        const fromPhase = phaseFromProto(request.fromPhase);
        const { state: before } = await authority.refresh();
        const followers = await deps.readFollowers(before);
        const mode = request.force ? "force" : "acknowledged";
        const step = await change((state) => planForcedAdvance(state, followers, { fromPhase, mode }), {
          requestId: "",
          requestedBy,
          reason: "",
        });
        const stranded = step?.step === "enter" ? step.stranded : [];
        return { status: await readStatus(), stranded: stranded.map((follower) => followerToProto(follower, before)) };
      },
      rollBackRotation: async (request) => {
        const requestedBy = requireText("requested_by", request.requestedBy, longestName);
        const reason = requireText("reason", request.reason, longestReason);
        await change(planRollBack, { requestId: "", requestedBy, reason });
        return { status: await readStatus() };
      },
      getTrustSuccession: async (request) => {
        deps.assertCurrent();
        const trusted = requireSpkiPins("root_spki_sha256", request.rootSpkiSha256);
        const { state } = await authority.refresh();
        const current = state.keys
          .filter((key) => key.kind === "root" && key.state !== "retired")
          .map(({ spkiPin }) => spkiPin);
        return { links: findSuccession(await deps.readSuccession(), { trusted, current }).map(({ jws }) => jws) };
      },
      acknowledgeTrustBundle: async (request, { peer }) => {
        const certificateSerial = requireSerialNumber(request.certificateSerial);
        await deps.acknowledgements.write({
          service: serviceOf(peer),
          replica: requireReplica(request.replica),
          trustBundleSequence: request.trustBundleSequence,
          certificateSerial,
        });
        await deps.certificates.noteUse({
          serialNumber: certificateSerial,
          spiffeId: peer?.spiffeId ?? "",
          renewAt: request.renewAt,
          now: deps.clock.now(),
        });
        // Asked because something has changed: this replica may not have looked yet, and the next question is a minute away.
        const { state, trustBundle } = await authority.current();
        deps.sawSequence(request.trustBundleSequence);
        deps.assertCurrent();
        const issuerId = (await deps.issuersOf([certificateSerial])).get(certificateSerial);
        return {
          trustBundle: trustBundleToProto(trustBundle),
          renewNow: !isUnderCurrentRoot(state, issuerId, "service"),
        };
      },
      listOutdatedCertificates: async ({ serialNumbers }) => {
        if (serialNumbers.length > mostSerialNumbers) throw invalid("serial_numbers", `at most ${mostSerialNumbers}`);
        const asked = serialNumbers.map((serialNumber) => requireSerialNumber(serialNumber));
        const issuers = await deps.issuersOf(asked);
        // Sooner the renewal would be refused, as one that was on its way when the certificate was revoked.
        const revokedBefore = new Date(deps.clock.now().getTime() - renewalInFlightMs);
        const leaked = await deps.revokedCollectors({ serialNumbers: asked, revokedBefore });
        const { state } = await authority.current();
        const isOutdated = (serial: string): boolean =>
          leaked.has(serial) || !isUnderCurrentRoot(state, issuers.get(serial), "fabric");
        return { serialNumbers: asked.filter(isOutdated) };
      },
    },
  });
}

/** A certificate that we have no record of (a restored backup lost it) is replaced by one that we have. */
function isUnderCurrentRoot(state: AuthorityState, issuerId: string | undefined, audience: Audience): boolean {
  const issuer = state.keys.find(({ id }) => id === issuerId);
  return issuer !== undefined && rootOf(issuer) === issuingRootOf(state, audience);
}

function serviceOf(peer: PeerIdentity | undefined): string {
  if (peer?.identity.kind === "service") return peer.identity.service;
  throw new Error("only services get here");
}

function phaseFromProto(phase: RotationPhaseProto): RotationPhase {
  switch (phase) {
    case RotationPhaseProto.ROTATION_PHASE_STANDBY:
      return "standby";
    case RotationPhaseProto.ROTATION_PHASE_INIT:
      return "init";
    case RotationPhaseProto.ROTATION_PHASE_UPDATE_CLIENTS:
      return "update_clients";
    case RotationPhaseProto.ROTATION_PHASE_UPDATE_SERVERS:
      return "update_servers";
    case RotationPhaseProto.ROTATION_PHASE_ROLLBACK:
      return "rollback";
    case RotationPhaseProto.ROTATION_PHASE_UNSPECIFIED:
    case RotationPhaseProto.UNRECOGNIZED:
      throw invalid("from_phase", "must be the phase that the status says");
  }
}
