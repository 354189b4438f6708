import {
  type CaKey,
  CaKeyState,
  type Follower,
  type GetAuthorityStatusResponse,
  RotationPhase,
} from "@drawbridge/contracts/certs/v1/authority_service";
import type { z } from "zod";
import { followerGapsOf, followerKinds, type RotationPhaseName } from "../../domain/rotation.ts";
import type { authoritySchema, caKeyStates, followerSchema } from "../schemas/authority.ts";
import { instantOrNull, required, requiredInstant, safeNumber } from "./values.ts";

const phaseNames: Readonly<Record<RotationPhase, RotationPhaseName | undefined>> = {
  [RotationPhase.ROTATION_PHASE_UNSPECIFIED]: undefined,
  [RotationPhase.ROTATION_PHASE_STANDBY]: "standby",
  [RotationPhase.ROTATION_PHASE_INIT]: "init",
  [RotationPhase.ROTATION_PHASE_UPDATE_CLIENTS]: "update_clients",
  [RotationPhase.ROTATION_PHASE_UPDATE_SERVERS]: "update_servers",
  [RotationPhase.ROTATION_PHASE_ROLLBACK]: "rollback",
  [RotationPhase.UNRECOGNIZED]: undefined,
};

const phaseValues: Readonly<Record<RotationPhaseName, RotationPhase>> = {
  standby: RotationPhase.ROTATION_PHASE_STANDBY,
  init: RotationPhase.ROTATION_PHASE_INIT,
  update_clients: RotationPhase.ROTATION_PHASE_UPDATE_CLIENTS,
  update_servers: RotationPhase.ROTATION_PHASE_UPDATE_SERVERS,
  rollback: RotationPhase.ROTATION_PHASE_ROLLBACK,
};

const keyStateNames: Readonly<Record<CaKeyState, (typeof caKeyStates)[number] | undefined>> = {
  [CaKeyState.CA_KEY_STATE_UNSPECIFIED]: undefined,
  [CaKeyState.CA_KEY_STATE_PREPARED]: "prepared",
  [CaKeyState.CA_KEY_STATE_ACTIVE]: "active",
  [CaKeyState.CA_KEY_STATE_OLD]: "old",
  [CaKeyState.CA_KEY_STATE_RETIRED]: "retired",
  [CaKeyState.UNRECOGNIZED]: undefined,
};

export function phaseToProto(phase: RotationPhaseName): RotationPhase {
  return phaseValues[phase];
}

/** The authority as REST shows it. */
export function authorityToJson(message: GetAuthorityStatusResponse | undefined): z.output<typeof authoritySchema> {
  const status = required("status", message);
  const bundle = required("status.trust_bundle", status.trustBundle);
  const phase = required("status.phase", phaseNames[status.phase]);
  return {
    phase,
    phaseSince: instantOrNull(status.phaseSince),
    nextPhaseAt: instantOrNull(status.nextPhaseAt),
    trustBundleSequence: safeNumber("trust_bundle.sequence", bundle.sequence),
    roots: bundle.rootsDer.length,
    keys: status.keys.map(caKeyToJson),
    issuingPrepareAt: instantOrNull(status.issuingPrepareAt),
    issuingActivateAt: instantOrNull(status.issuingActivateAt),
    followers: status.followers.map((follower) => followerToJson(follower, { phase, sequence: bundle.sequence })),
    waitingFor: status.waitingFor,
    alerts: [...status.alerts],
  };
}

function caKeyToJson(key: CaKey): z.output<typeof authoritySchema>["keys"][number] {
  return {
    id: key.id,
    kind: key.kind === "root" ? "root" : "issuing",
    state: required("key.state", keyStateNames[key.state]),
    serialNumber: key.serialNumber,
    spkiSha256: key.spkiSha256,
    issuerId: key.issuerId,
    notBefore: requiredInstant("key.not_before", key.notBefore),
    notAfter: requiredInstant("key.not_after", key.notAfter),
    liveCertificates: key.liveCertificates,
  };
}

/** `now`: what the follower is measured by. */
export function followerToJson(
  follower: Follower,
  now: { readonly phase: RotationPhaseName; readonly sequence: bigint },
): z.output<typeof followerSchema> {
  const { name, fabricId, trustBundleSequence: acknowledged, certificateCurrent, lastSeenAt, live } = follower;
  const kind = required(
    "follower.kind",
    followerKinds.find((known) => known === follower.kind),
  );
  return {
    kind,
    name,
    fabricId,
    trustBundleSequence: safeNumber("follower.trust_bundle_sequence", acknowledged),
    missing: followerGapsOf({ kind, acknowledged, certificateCurrent }, now),
    lastSeenAt: instantOrNull(lastSeenAt),
    live,
  };
}
