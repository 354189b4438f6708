import type { ColumnType, Generated, JSONColumnType } from "kysely";
import type { AppRoute } from "../domain/app-route.ts";

/** PostgreSQL bigint: written as bigint, read as text. */
type Int8 = ColumnType<string, bigint, bigint>;
type Instant = Date;

export interface ArtefactJson {
  readonly digest: string;
  readonly sizeBytes: string;
  readonly path: string;
}

export interface StrategyJson {
  readonly maxSurge: number;
  readonly readyTimeoutSeconds: number;
  readonly drainTimeoutSeconds: number;
}

export interface ClusterJson {
  readonly driver: string;
  readonly agentVersion: string;
  readonly clusterVersion: string;
  readonly kubernetesVersion: string;
  readonly containerRuntimeVersion: string;
  readonly nodes: number;
  readonly cpuMillicores: string;
  readonly memoryBytes: string;
  readonly logsAllowed: boolean;
}

export interface AlertJson {
  readonly reason: string;
  readonly message: string;
  readonly since: string;
}

export interface HeldCertificateJson {
  readonly purpose: "tunnel" | "monitoring";
  readonly serialNumber: string;
  readonly notAfter: string;
  readonly renewAt: string;
  readonly lastFailure: string;
}

export interface SupersededBootJson {
  readonly bootId: string;
  readonly at?: string;
  readonly toldAt?: string;
}

type JsonWithDefault<T extends object> = ColumnType<T, string | undefined, string>;

export interface StatusJson {
  readonly appliedDigest: string;
  readonly servingRevision: string;
  readonly readyReplicas: number;
  readonly replicas: readonly {
    readonly replicaId: string;
    readonly revision: string;
    readonly state: string;
    readonly restarts: number;
    readonly startedAt?: string;
    readonly lastExit: string;
  }[];
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
    readonly lastTransitionAt: string;
  }[];
  readonly endpoints: readonly string[];
  readonly observedAt: string;
  /** Absent in what was stored before there were gateways. */
  readonly gates?: readonly GateJson[];
}

export interface GateJson {
  readonly gatewayId: string;
  readonly apiName: string;
  readonly apiVersion: string;
  readonly basePath: string;
  readonly deployment: string;
  readonly state: string;
  readonly since: string;
  readonly level: string;
  readonly levelSource: string;
  readonly reason: string;
  readonly message: string;
  readonly appliedRevision: string;
  readonly desiredRevision: string;
  readonly policies: number;
  readonly contracts: number;
}

export interface FabricTable {
  fabric_id: string;
  org: string;
  name: string;
  region: string;
  environments: string[];
  agent_id: string | null;
  agent_issued_at: Instant | null;
  session_order: ColumnType<string, bigint | undefined, bigint>;
  desired_generation: ColumnType<string, bigint | undefined, bigint>;
  generation_at: Instant;
  created_at: Instant;
  deleted_at: Instant | null;
  /** null: what the service is set to. */
  clock_skew_warn_seconds: ColumnType<number | null, never, number | null>;
  clock_skew_fail_seconds: ColumnType<number | null, never, number | null>;
}

export interface AgentTable {
  agent_id: string;
  fabric_id: string;
  epoch: Int8;
  session_id: string;
  session_order: Int8;
  boot_id: string;
  state: "connected" | "unreachable" | "disconnected";
  replica: string;
  connected_at: Instant;
  last_seen_at: Instant;
  observed_generation: Int8;
  snapshot_digest: string;
  trust_bundle_sequence: Int8;
  clock_skew_ms: Int8;
  cluster: JSONColumnType<ClusterJson>;
  alerts: JSONColumnType<AlertJson[]>;
  certificate_serial: string;
  certificate_not_after: Instant;
  superseded_boots: JsonWithDefault<SupersededBootJson[]>;
  lock_reason: Generated<"" | "DUPLICATE_AGENT" | "STALE_JOIN_STATE">;
  lock_message: Generated<string>;
  locked_at: Instant | null;
  certificates: JsonWithDefault<HeldCertificateJson[]>;
  shown_alerts: JsonWithDefault<AlertJson[]>;
  alerts_due_at: Generated<Instant>;
}

export interface CertificateTable {
  serial_number: string;
  agent_id: string | null;
  fabric_id: string | null;
  not_before: Instant;
  not_after: Instant;
  revoked_at: Instant | null;
  revocation_reason: Generated<string>;
}

export interface AppTable {
  app_id: string;
  fabric_id: string;
  org: string;
  environment: string;
  name: string;
  generation: Int8;
  revision: Int8;
  version: string;
  desired_state: "running" | "stopped";
  replicas: number;
  restart_nonce: string;
  bundle: JSONColumnType<ArtefactJson>;
  configuration: ColumnType<ArtefactJson | null, string | null, string | null>;
  public_port: number;
  strategy: JSONColumnType<StrategyJson>;
  spec_digest: string;
  traceparent: string;
  manifest_json: string;
  created_at: Instant;
  updated_at: Instant;
  deleted_at: Instant | null;
  delete_request_id: Generated<string>;
  gatekeeper: Generated<string>;
  routes: JsonWithDefault<AppRoute[]>;
}

export interface GatekeeperSettingTable {
  org: string;
  kind: "environment" | "fabric";
  name: string;
  value: string;
}

export interface RevisionTable {
  app_id: string;
  revision: Int8;
  version: string;
  bundle: JSONColumnType<ArtefactJson>;
  configuration: ColumnType<ArtefactJson | null, string | null, string | null>;
  manifest_json: string;
  created_at: Instant;
  requested_by: string;
  cause: string;
  /** Written by the statement that stores reports. */
  served_at: ColumnType<Instant | null, never, never>;
}

export interface AppStatusTable {
  app_id: string;
  fabric_id: string;
  observed_generation: Int8;
  phase: "pending" | "progressing" | "running" | "stopped" | "failed" | "degraded";
  status: JSONColumnType<StatusJson>;
  stored_at: Generated<Instant>;
}

export interface RequestTable {
  request_id: string;
  method: string;
  request_sha256: Uint8Array;
  response: Uint8Array;
  created_at: Instant;
}

export interface RevocationDutyTable {
  duty_id: string;
  fabric_id: string;
  serial_number: string;
  reason: string;
  created_at: Instant;
}

export interface IncarnationTable {
  is_only: Generated<boolean>;
  incarnation_id: Generated<string>;
  created_at: Generated<Instant>;
}

export interface TrustBundleTable {
  is_only: Generated<boolean>;
  sequence: Int8;
  known_since: Generated<Instant>;
}

/** The schema `runtime_manager`. */
export interface RuntimeDatabase {
  trust_bundle: TrustBundleTable;
  incarnation: IncarnationTable;
  fabric: FabricTable;
  agent: AgentTable;
  certificate: CertificateTable;
  app: AppTable;
  revision: RevisionTable;
  gatekeeper_setting: GatekeeperSettingTable;
  app_status: AppStatusTable;
  request: RequestTable;
  revocation_duty: RevocationDutyTable;
}
