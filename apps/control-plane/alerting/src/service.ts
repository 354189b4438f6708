import type { AlertRule } from "@drawbridge/alert-rules";
import { AnalyticsServiceClient } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { MetricsServiceClient } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { FabricServiceClient } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { createHeadStart, createLoop } from "@drawbridge/lifecycle";
import { createGrpcClient, createGrpcServer, type GrpcServer, largestAnswerBytes, listening } from "@drawbridge/rpc";
import { createFoundations, followRevocations, type Service, type ServiceDeps } from "@drawbridge/service";
import { openStore } from "@drawbridge/store";
import type { AlertingConfig } from "./config.ts";
import { createDelivery } from "./delivery/deliver-notifications.ts";
import { openChannel } from "./delivery/open-channel.ts";
import { createRuleEvaluation } from "./evaluate-rules.ts";
import { createAlertRpc } from "./rpc/alert-rpc.ts";
import { rulesInvalid } from "./rules/read-rule-file.ts";
import { openRuleBook } from "./rules/rule-book.ts";
import { createAlerts } from "./store/alerts.ts";
import type { AlertingDatabase } from "./store/database.ts";
import { createIncidents } from "./store/incidents.ts";
import { createNotifications } from "./store/notifications.ts";
import { createRuleSets } from "./store/rule-sets.ts";
import { createSilences } from "./store/silences.ts";
import { createGrantedFabrics } from "./sources/granted-fabrics.ts";

const forgetEveryMs = 3_600_000;
const keptMs = 30 * 86_400_000;

export interface AlertingService extends Service {
  /** Where it listens; after the start. */
  address(): ReturnType<GrpcServer["address"]>;
}

/** @throws DrawbridgeError `ALERT_RULES_INVALID` (invalid_argument): the file of rules cannot be used */
export function createAlertingService(deps: ServiceDeps<AlertingConfig>): AlertingService {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const { metrics } = telemetry;
  // outbound
  const foundations = createFoundations(deps, { name: "alerting" });
  const { health, ops, identity, bus, peer, listener } = foundations;
  const startOfBus = createHeadStart(bus);
  const store = openStore<AlertingDatabase>({
    url: config.DATABASE_URL_FILE,
    schema: "alerting",
    logger,
    clock,
    random,
  });
  const { ANALYTICS_INGEST_ADDRESS: analyticsAt, MONITORING_INGEST_ADDRESS: metricsAt } = config;
  const { RUNTIME_MANAGER_ADDRESS: fabricsAt, ORGANISATION: org } = config;
  const analytics =
    analyticsAt === undefined
      ? undefined
      : createGrpcClient(AnalyticsServiceClient, {
          ...peer,
          address: analyticsAt,
          expectedServer: "/cp/analytics-ingest",
        });
  const apps =
    metricsAt === undefined
      ? undefined
      : createGrpcClient(MetricsServiceClient, {
          ...peer,
          address: metricsAt,
          maxMessageBytes: largestAnswerBytes,
          expectedServer: "/cp/monitoring-ingest",
        });
  const fabrics =
    fabricsAt === undefined
      ? undefined
      : createGrpcClient(FabricServiceClient, {
          ...peer,
          address: fabricsAt,
          expectedServer: "/cp/runtime-manager",
        });
  const unknownFigure = (rule: AlertRule): string | undefined => {
    const [source, variable] = rule.analytics
      ? [analytics, "ANALYTICS_INGEST_ADDRESS"]
      : [apps, "MONITORING_INGEST_ADDRESS"];
    return source ? undefined : `cannot be looked at: ${variable} is not set`;
  };
  // domain
  const book = openRuleBook({
    path: config.RULES_FILE,
    check: (rules) => {
      for (const rule of rules) {
        const problem = unknownFigure(rule);
        if (problem !== undefined) throw rulesInvalid(`the rule ${rule.name} ${problem}`);
      }
    },
    channelOf: (receiver) => openChannel(receiver, config, clock),
    logger,
  });
  const incidents = createIncidents(store, () => ids.next());
  const ruleSets = createRuleSets(store);
  const revocations = followRevocations(deps, foundations);
  // inbound
  const server = createGrpcServer({
    ...listener,
    name: "internal",
    listen: config.INTERNAL_LISTEN,
    clientCertificate: "required",
    revocations,
    services: [
      createAlertRpc({
        book,
        ruleSets,
        alerts: createAlerts(store),
        silences: createSilences(store),
        unknownFigure,
        clock,
        ids,
      }),
    ],
    health,
  });

  health.register("database", store.health);
  health.register("listeners", listening(server));
  health.register("bus", bus.health, "degraded");
  return {
    health,
    address: () => server.address(),
    components: [
      telemetry,
      ops,
      startOfBus.begin,
      identity,
      store,
      revocations,
      ...(analytics ? [analytics] : []),
      ...(apps ? [apps] : []),
      ...(fabrics ? [fabrics] : []),
      createDelivery({
        notifications: createNotifications(store),
        channel: book.channel,
        clock,
        random,
        logger,
        metrics,
      }),
      createRuleEvaluation({
        book,
        ruleSets,
        sources: {
          analytics: analytics?.call,
          metrics:
            apps && fabrics
              ? {
                  showApps: apps.call.showApps,
                  fabricsOf: createGrantedFabrics({ fabrics: fabrics.call, org, clock }),
                }
              : undefined,
        },
        incidents,
        everyMs: config.EVALUATE_SECONDS * 1_000,
        clock,
        logger,
        metrics,
      }),
      createLoop({
        name: "history",
        clock,
        intervalMs: forgetEveryMs,
        pass: () => incidents.forget(new Date(clock.now().getTime() - keptMs)),
        onError: (error) => logger.warn({ err: error, component: "history" }, "nothing was forgotten, will run again"),
      }),
      server,
      // Only news of trust comes by the bus: nothing waits for it.
      startOfBus.rest,
    ],
  };
}
