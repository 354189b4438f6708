import {
  ActivationTokenCreated,
  ActivationTokenRedeemed,
  ActivationTokenRefused,
  ActivationTokenRevoked,
  AgentLockChanged,
  ApiConfigurationPublished,
  ArtefactRefused,
  BundleStored,
  CertificateActivated,
  CertificateIssued,
  CertificateRevoked,
  DeploymentDesired,
  DeploymentObserved,
  FabricAlertChanged,
  FabricChanged,
  RecoveryCompleted,
  RecoveryRefused,
  RotationChanged,
  TrustBundleChanged,
} from "./gen/drawbridge/events/v1/events.ts";

/** Every fact that a service announces, and the message that carries it. The key is `<domain>.<entity>.<fact>.v<N>`. */
export const eventCodecs = {
  "activation.token.created.v1": ActivationTokenCreated,
  "activation.token.redeemed.v1": ActivationTokenRedeemed,
  "activation.token.refused.v1": ActivationTokenRefused,
  "activation.token.revoked.v1": ActivationTokenRevoked,
  "activation.recovery.completed.v1": RecoveryCompleted,
  "activation.recovery.refused.v1": RecoveryRefused,
  "certs.certificate.issued.v1": CertificateIssued,
  "certs.certificate.activated.v1": CertificateActivated,
  "certs.certificate.revoked.v1": CertificateRevoked,
  "certs.bundle.changed.v1": TrustBundleChanged,
  "certs.rotation.changed.v1": RotationChanged,
  "runtime.fabric.created.v1": FabricChanged,
  "runtime.fabric.activated.v1": FabricChanged,
  "runtime.fabric.connected.v1": FabricChanged,
  "runtime.fabric.unreachable.v1": FabricChanged,
  "runtime.fabric.disconnected.v1": FabricChanged,
  "runtime.fabric.deleted.v1": FabricChanged,
  "runtime.fabric.alert.v1": FabricAlertChanged,
  "runtime.agent.locked.v1": AgentLockChanged,
  "runtime.agent.unlocked.v1": AgentLockChanged,
  "runtime.deployment.desired.v1": DeploymentDesired,
  "runtime.deployment.observed.v1": DeploymentObserved,
  "config.bundle.stored.v1": BundleStored,
  "config.artefact.refused.v1": ArtefactRefused,
  "apis.configuration.published.v1": ApiConfigurationPublished,
} as const;

export type EventType = keyof typeof eventCodecs;

/** The message of an event type. */
export type EventPayload<T extends EventType> = ReturnType<(typeof eventCodecs)[T]["decode"]>;

/** A fact on its way. */
export interface EventEnvelope<T extends EventType = EventType> {
  /** UUIDv7; also the Nats-Msg-Id by which JetStream drops duplicates. */
  readonly id: string;
  readonly type: T;
  /** Fabric id, or "control-plane" or "unknown" where there is none: the last token of the subject. */
  readonly scope: string;
  readonly occurredAt: Date;
  /** W3C Trace Context; empty outside a trace. */
  readonly traceparent: string;
  readonly payload: EventPayload<T>;
}

/** `drawbridge.<domain>.<entity>.<fact>.v<N>.<scope>`; `*` as scope gives the filter of a consumer. */
export function eventSubject(type: EventType, scope: string): string {
  return `drawbridge.${type}.${scope}`;
}
