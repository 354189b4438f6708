import type { FieldClasses } from "./field-rule.ts";

/**
 * Data class of every field that the agent may send. Made from the contracts by test/egress/write-field-classes.ts; a test
 * fails when it is stale.
 */
export const fieldClasses: FieldClasses = {
  "drawbridge.tunnel.v1.ConnectRequest": {
    seq: {
      dataClass: "METADATA",
    },
    ack: {
      dataClass: "METADATA",
    },
    correlationId: {
      dataClass: "METADATA",
    },
    hello: {
      dataClass: "METADATA",
      message: "drawbridge.tunnel.v1.Hello",
      oneof: "frame",
    },
    heartbeat: {
      dataClass: "METADATA",
      message: "drawbridge.tunnel.v1.Heartbeat",
      oneof: "frame",
    },
    status: {
      dataClass: "METADATA",
      message: "drawbridge.tunnel.v1.Status",
      oneof: "frame",
    },
    logsChunk: {
      dataClass: "PAYLOAD",
      message: "drawbridge.tunnel.v1.LogsChunk",
      oneof: "frame",
    },
    goodbye: {
      dataClass: "METADATA",
      message: "drawbridge.tunnel.v1.Goodbye",
      oneof: "frame",
    },
    renew: {
      dataClass: "IDENTITY",
      message: "drawbridge.tunnel.v1.Renew",
      oneof: "frame",
    },
  },
  "drawbridge.tunnel.v1.Hello": {
    agentId: {
      dataClass: "METADATA",
    },
    bootId: {
      dataClass: "METADATA",
    },
    epoch: {
      dataClass: "METADATA",
    },
    protocolMin: {
      dataClass: "METADATA",
    },
    protocolMax: {
      dataClass: "METADATA",
    },
    cluster: {
      dataClass: "METADATA",
      message: "drawbridge.runtime.v1.ClusterInfo",
    },
    trustBundleSequence: {
      dataClass: "METADATA",
    },
    observedGeneration: {
      dataClass: "METADATA",
    },
    snapshotDigest: {
      dataClass: "METADATA",
    },
    agentTime: {
      dataClass: "METADATA",
    },
    certificates: {
      dataClass: "IDENTITY",
      message: "drawbridge.tunnel.v1.HeldCertificate",
      isRepeated: true,
    },
  },
  "drawbridge.runtime.v1.ClusterInfo": {
    driver: {
      dataClass: "METADATA",
    },
    agentVersion: {
      dataClass: "METADATA",
    },
    clusterVersion: {
      dataClass: "METADATA",
    },
    kubernetesVersion: {
      dataClass: "METADATA",
    },
    containerRuntimeVersion: {
      dataClass: "METADATA",
    },
    nodes: {
      dataClass: "METADATA",
    },
    cpuMillicores: {
      dataClass: "METADATA",
    },
    memoryBytes: {
      dataClass: "METADATA",
    },
    logsAllowed: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.tunnel.v1.HeldCertificate": {
    purpose: {
      dataClass: "METADATA",
    },
    serialNumber: {
      dataClass: "IDENTITY",
    },
    notAfter: {
      dataClass: "METADATA",
    },
    renewAt: {
      dataClass: "METADATA",
    },
    lastFailure: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.tunnel.v1.Heartbeat": {
    agentTime: {
      dataClass: "METADATA",
    },
    observedGeneration: {
      dataClass: "METADATA",
    },
    snapshotDigest: {
      dataClass: "METADATA",
    },
    trustBundleSequence: {
      dataClass: "METADATA",
    },
    alerts: {
      dataClass: "METADATA",
      message: "drawbridge.runtime.v1.HealthAlert",
      isRepeated: true,
    },
    certificates: {
      dataClass: "IDENTITY",
      message: "drawbridge.tunnel.v1.HeldCertificate",
      isRepeated: true,
    },
  },
  "drawbridge.runtime.v1.HealthAlert": {
    reason: {
      dataClass: "METADATA",
    },
    message: {
      dataClass: "METADATA",
    },
    since: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.tunnel.v1.Status": {
    observedGeneration: {
      dataClass: "METADATA",
    },
    snapshotDigest: {
      dataClass: "METADATA",
    },
    complete: {
      dataClass: "METADATA",
    },
    apps: {
      dataClass: "METADATA",
      message: "drawbridge.runtime.v1.AppStatus",
      isRepeated: true,
    },
    removedAppIds: {
      dataClass: "METADATA",
      isRepeated: true,
    },
  },
  "drawbridge.runtime.v1.AppStatus": {
    appId: {
      dataClass: "METADATA",
    },
    observedGeneration: {
      dataClass: "METADATA",
    },
    appliedDigest: {
      dataClass: "METADATA",
    },
    phase: {
      dataClass: "METADATA",
    },
    servingRevision: {
      dataClass: "METADATA",
    },
    readyReplicas: {
      dataClass: "METADATA",
    },
    replicas: {
      dataClass: "METADATA",
      message: "drawbridge.runtime.v1.ReplicaStatus",
      isRepeated: true,
    },
    conditions: {
      dataClass: "METADATA",
      message: "drawbridge.runtime.v1.Condition",
      isRepeated: true,
    },
    endpoints: {
      dataClass: "METADATA",
      isRepeated: true,
    },
    observedAt: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.runtime.v1.ReplicaStatus": {
    replicaId: {
      dataClass: "METADATA",
    },
    revision: {
      dataClass: "METADATA",
    },
    state: {
      dataClass: "METADATA",
    },
    restarts: {
      dataClass: "METADATA",
    },
    startedAt: {
      dataClass: "METADATA",
    },
    lastExit: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.runtime.v1.Condition": {
    type: {
      dataClass: "METADATA",
    },
    status: {
      dataClass: "METADATA",
    },
    reason: {
      dataClass: "METADATA",
    },
    message: {
      dataClass: "METADATA",
    },
    lastTransitionAt: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.tunnel.v1.LogsChunk": {
    lines: {
      dataClass: "PAYLOAD",
      message: "drawbridge.tunnel.v1.LogLine",
      isRepeated: true,
    },
    end: {
      dataClass: "METADATA",
    },
    errorCode: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.tunnel.v1.LogLine": {
    replicaId: {
      dataClass: "METADATA",
    },
    stream: {
      dataClass: "METADATA",
    },
    line: {
      dataClass: "PAYLOAD",
    },
    at: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.tunnel.v1.Goodbye": {
    reason: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.tunnel.v1.Renew": {
    requestId: {
      dataClass: "IDENTITY",
    },
    purpose: {
      dataClass: "METADATA",
    },
    csrDer: {
      dataClass: "IDENTITY",
    },
    currentSerial: {
      dataClass: "IDENTITY",
    },
  },
  "drawbridge.tunnel.v1.GetSnapshotRequest": {
    haveDigest: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.activation.v1.ActivateRequest": {
    token: {
      dataClass: "IDENTITY",
    },
    csrDer: {
      dataClass: "IDENTITY",
    },
    monitoringCsrDer: {
      dataClass: "IDENTITY",
    },
    recoveryKeySpkiDer: {
      dataClass: "IDENTITY",
    },
    agentVersion: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.activation.v1.BeginRecoveryRequest": {
    agentId: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.activation.v1.CompleteRecoveryRequest": {
    challengeId: {
      dataClass: "IDENTITY",
    },
    agentId: {
      dataClass: "METADATA",
    },
    csrDer: {
      dataClass: "IDENTITY",
    },
    monitoringCsrDer: {
      dataClass: "IDENTITY",
    },
    certificateSerial: {
      dataClass: "IDENTITY",
    },
    joinState: {
      dataClass: "IDENTITY",
    },
    signature: {
      dataClass: "IDENTITY",
    },
    agentVersion: {
      dataClass: "METADATA",
    },
  },
  "drawbridge.activation.v1.GetTrustSuccessionRequest": {
    rootSpkiSha256: {
      dataClass: "METADATA",
      isRepeated: true,
    },
  },
};
