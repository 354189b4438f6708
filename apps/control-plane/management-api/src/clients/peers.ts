import {
  ActivationTokenServiceClient,
  type ActivationTokenServiceService,
} from "@drawbridge/contracts/activation/v1/activation_token_service";
import {
  RecoveryAdminServiceClient,
  type RecoveryAdminServiceService,
} from "@drawbridge/contracts/activation/v1/recovery_service";
import { AlertServiceClient, type AlertServiceService } from "@drawbridge/contracts/alerting/v1/alert_service";
import {
  AnalyticsSettingsServiceClient,
  type AnalyticsSettingsServiceService,
} from "@drawbridge/contracts/apis/v1/analytics_settings_service";
import {
  AnalyticsServiceClient,
  type AnalyticsServiceService,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import { ApiServiceClient, type ApiServiceService } from "@drawbridge/contracts/apis/v1/api_service";
import { CaptureServiceClient, type CaptureServiceService } from "@drawbridge/contracts/apis/v1/capture_service";
import { ClientServiceClient, type ClientServiceService } from "@drawbridge/contracts/apis/v1/client_service";
import { ContractServiceClient, type ContractServiceService } from "@drawbridge/contracts/apis/v1/contract_service";
import { PolicyServiceClient, type PolicyServiceService } from "@drawbridge/contracts/apis/v1/policy_service";
import { RouteServiceClient, type RouteServiceService } from "@drawbridge/contracts/apis/v1/route_service";
import { AuthorityServiceClient, type AuthorityServiceService } from "@drawbridge/contracts/certs/v1/authority_service";
import {
  CertificateAuthorityServiceClient,
  type CertificateAuthorityServiceService,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import {
  ConfigurationServiceClient,
  type ConfigurationServiceService,
} from "@drawbridge/contracts/config/v1/configuration_service";
import {
  CollectorServiceClient,
  type CollectorServiceService,
} from "@drawbridge/contracts/monitoring/v1/collector_service";
import { InsightServiceClient, type InsightServiceService } from "@drawbridge/contracts/insight/v1/insight_service";
import { MetricsServiceClient, type MetricsServiceService } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import {
  OwnMetricsServiceClient,
  type OwnMetricsServiceService,
} from "@drawbridge/contracts/monitoring/v1/own_metrics_service";
import { AppServiceClient, type AppServiceService } from "@drawbridge/contracts/runtime/v1/app_service";
import { FabricServiceClient, type FabricServiceService } from "@drawbridge/contracts/runtime/v1/fabric_service";
import {
  GatekeeperServiceClient,
  type GatekeeperServiceService,
} from "@drawbridge/contracts/runtime/v1/gatekeeper_service";
import type { Component } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import { createGrpcClient, type GrpcCalls, type GrpcClientOptions, largestAnswerBytes } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import { withPeerRules } from "./peer.ts";

export type AppCalls = GrpcCalls<AppServiceService>;
export type FabricCalls = GrpcCalls<FabricServiceService>;
export type GatekeeperCalls = GrpcCalls<GatekeeperServiceService>;
export type FabricTokenCalls = GrpcCalls<ActivationTokenServiceService>;
export type ConfigurationCalls = GrpcCalls<ConfigurationServiceService>;
export type CertificateCalls = GrpcCalls<CertificateAuthorityServiceService>;
export type AuthorityCalls = GrpcCalls<AuthorityServiceService>;
export type RecoveryCalls = GrpcCalls<RecoveryAdminServiceService>;
export type CollectorCalls = GrpcCalls<CollectorServiceService>;
export type MetricsCalls = GrpcCalls<MetricsServiceService>;
export type OwnMetricsCalls = GrpcCalls<OwnMetricsServiceService>;
export type AlertCalls = GrpcCalls<AlertServiceService>;
export type AnalyticsCalls = GrpcCalls<AnalyticsServiceService>;
export type InsightCalls = GrpcCalls<InsightServiceService>;

/** api-manager's services for operators, as calls. */
export interface ApiManagerCalls {
  readonly apis: GrpcCalls<ApiServiceService>;
  readonly policies: GrpcCalls<PolicyServiceService>;
  readonly clients: GrpcCalls<ClientServiceService>;
  readonly contracts: GrpcCalls<ContractServiceService>;
  readonly routes: GrpcCalls<RouteServiceService>;
  readonly analyticsSettings: GrpcCalls<AnalyticsSettingsServiceService>;
  readonly captures: GrpcCalls<CaptureServiceService>;
}

/** The other services of the control plane, as calls. */
export interface Peers {
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
  readonly ownMetrics: OwnMetricsCalls | undefined;
  /** undefined in an installation without api-manager. */
  readonly apiManager: ApiManagerCalls | undefined;
  /** undefined in an installation without analytics-ingest. */
  readonly analytics: AnalyticsCalls | undefined;
  /** The same. */
  readonly insight: InsightCalls | undefined;
  /** undefined in an installation without alerting. */
  readonly alerting: AlertCalls | undefined;
  readonly components: readonly Component[];
}

export interface PeersOptions {
  readonly identity: IdentityHolder;
  readonly logger: Logger;
  readonly addresses: {
    readonly runtimeManager: string;
    readonly activation: string;
    readonly configResolver: string;
    readonly certAuthority: string;
    readonly monitoringIngest: string | undefined;
    readonly apiManager: string | undefined;
    readonly analyticsIngest: string | undefined;
    readonly alerting: string | undefined;
  };
}

export function createPeers({ identity, logger, addresses }: PeersOptions): Peers {
  const common = { identity, logger, maxMessageBytes: largestAnswerBytes };
  const runtimeManager = { ...common, address: addresses.runtimeManager, expectedServer: "/cp/runtime-manager" };
  const apps = createGrpcClient(AppServiceClient, runtimeManager);
  const fabrics = createGrpcClient(FabricServiceClient, runtimeManager);
  const gatekeeper = createGrpcClient(GatekeeperServiceClient, runtimeManager);
  const activation = { ...common, address: addresses.activation, expectedServer: "/cp/activation" };
  const fabricTokens = createGrpcClient(ActivationTokenServiceClient, activation);
  const recoveries = createGrpcClient(RecoveryAdminServiceClient, activation);
  const certAuthority = { ...common, address: addresses.certAuthority, expectedServer: "/cp/cert-authority" };
  const certificates = createGrpcClient(CertificateAuthorityServiceClient, certAuthority);
  const authority = createGrpcClient(AuthorityServiceClient, certAuthority);
  const monitoringIngest = addresses.monitoringIngest && {
    ...common,
    address: addresses.monitoringIngest,
    expectedServer: "/cp/monitoring-ingest",
  };
  const collectors = monitoringIngest ? createGrpcClient(CollectorServiceClient, monitoringIngest) : undefined;
  const metrics = monitoringIngest ? createGrpcClient(MetricsServiceClient, monitoringIngest) : undefined;
  const ownMetrics = monitoringIngest ? createGrpcClient(OwnMetricsServiceClient, monitoringIngest) : undefined;
  const apiManager =
    addresses.apiManager === undefined
      ? undefined
      : createApiManagerClients({ ...common, address: addresses.apiManager, expectedServer: "/cp/api-manager" });
  const analyticsIngest =
    addresses.analyticsIngest === undefined
      ? undefined
      : { ...common, address: addresses.analyticsIngest, expectedServer: "/cp/analytics-ingest" };
  const analytics = analyticsIngest && createGrpcClient(AnalyticsServiceClient, analyticsIngest);
  const insight = analyticsIngest && createGrpcClient(InsightServiceClient, analyticsIngest);
  const alerting =
    addresses.alerting === undefined
      ? undefined
      : createGrpcClient(AlertServiceClient, {
          ...common,
          address: addresses.alerting,
          expectedServer: "/cp/alerting",
        });
  const configuration = createGrpcClient(ConfigurationServiceClient, {
    ...common,
    address: addresses.configResolver,
    expectedServer: "/cp/config-resolver",
  });
  return {
    apps: withPeerRules("runtime-manager", apps.call),
    fabrics: withPeerRules("runtime-manager", fabrics.call),
    gatekeeper: withPeerRules("runtime-manager", gatekeeper.call),
    fabricTokens: withPeerRules("activation", fabricTokens.call),
    configuration: withPeerRules("config-resolver", configuration.call),
    certificates: withPeerRules("cert-authority", certificates.call),
    authority: withPeerRules("cert-authority", authority.call),
    recoveries: withPeerRules("activation", recoveries.call),
    collectors: collectors && withPeerRules("monitoring-ingest", collectors.call),
    metrics: metrics && withPeerRules("monitoring-ingest", metrics.call),
    ownMetrics: ownMetrics && withPeerRules("monitoring-ingest", ownMetrics.call),
    apiManager: apiManager?.calls,
    analytics: analytics && withPeerRules("analytics-ingest", analytics.call),
    insight: insight && withPeerRules("analytics-ingest", insight.call),
    alerting: alerting && withPeerRules("alerting", alerting.call),
    components: [
      apps,
      fabrics,
      gatekeeper,
      fabricTokens,
      recoveries,
      configuration,
      certificates,
      authority,
      ...(collectors ? [collectors] : []),
      ...(metrics ? [metrics] : []),
      ...(ownMetrics ? [ownMetrics] : []),
      ...(apiManager?.components ?? []),
      ...(analytics ? [analytics] : []),
      ...(insight ? [insight] : []),
      ...(alerting ? [alerting] : []),
    ],
  };
}

function createApiManagerClients(options: GrpcClientOptions): {
  readonly calls: ApiManagerCalls;
  readonly components: readonly Component[];
} {
  const apis = createGrpcClient(ApiServiceClient, options);
  const policies = createGrpcClient(PolicyServiceClient, options);
  const clients = createGrpcClient(ClientServiceClient, options);
  const contracts = createGrpcClient(ContractServiceClient, options);
  const routes = createGrpcClient(RouteServiceClient, options);
  const analyticsSettings = createGrpcClient(AnalyticsSettingsServiceClient, options);
  const captures = createGrpcClient(CaptureServiceClient, options);
  return {
    calls: {
      apis: withPeerRules("api-manager", apis.call),
      policies: withPeerRules("api-manager", policies.call),
      clients: withPeerRules("api-manager", clients.call),
      contracts: withPeerRules("api-manager", contracts.call),
      routes: withPeerRules("api-manager", routes.call),
      analyticsSettings: withPeerRules("api-manager", analyticsSettings.call),
      captures: withPeerRules("api-manager", captures.call),
    },
    components: [apis, policies, clients, contracts, routes, analyticsSettings, captures],
  };
}
