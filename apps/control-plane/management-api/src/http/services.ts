import type { Clock, IdSource } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import type { AccountService } from "../account/account-service.ts";
import type { BundleTransfer } from "../clients/bundle-transfer.ts";
import type {
  AlertCalls,
  AnalyticsCalls,
  ApiManagerCalls,
  AppCalls,
  AuthorityCalls,
  CertificateCalls,
  CollectorCalls,
  ConfigurationCalls,
  FabricCalls,
  FabricTokenCalls,
  GatekeeperCalls,
  InsightCalls,
  MetricsCalls,
  OwnMetricsCalls,
  RecoveryCalls,
} from "../clients/peers.ts";
import type { StatusProbe } from "../clients/status-probe.ts";
import type { AuditRepository } from "../store/audit-repository.ts";
import type { EnvironmentRepository } from "../store/environment-repository.ts";

/** What the routes work with. */
export interface RouteServices {
  /** Organisation slug: one per installation. */
  readonly org: string;
  readonly accounts: AccountService;
  readonly environments: EnvironmentRepository;
  readonly audit: Pick<AuditRepository, "list">;
  readonly apps: AppCalls;
  readonly fabrics: FabricCalls;
  readonly gatekeeper: GatekeeperCalls;
  readonly fabricTokens: FabricTokenCalls;
  readonly configuration: ConfigurationCalls;
  readonly certificates: CertificateCalls;
  readonly authority: AuthorityCalls;
  readonly recoveries: RecoveryCalls;
  /** undefined in an installation without monitoring-ingest. */
  readonly collectors: CollectorCalls | undefined;
  /** The same. */
  readonly metrics: MetricsCalls | undefined;
  /** The same: what apps tell of themselves. */
  readonly ownMetrics: OwnMetricsCalls | undefined;
  /** undefined in an installation without api-manager. */
  readonly apiManager: ApiManagerCalls | undefined;
  /** undefined in an installation without analytics-ingest. */
  readonly analytics: AnalyticsCalls | undefined;
  /** The same. */
  readonly insight: InsightCalls | undefined;
  /** undefined in an installation without alerting. */
  readonly alerting: AlertCalls | undefined;
  readonly bundles: BundleTransfer;
  readonly status: StatusProbe;
  readonly trustBundle: () => TrustBundle;
  /** Aborts when this process stops: streams without an end are cut then. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly ids: IdSource;
}
