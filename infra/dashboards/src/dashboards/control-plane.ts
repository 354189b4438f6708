import type { Dashboard } from "@grafana/schema";
import { dashboardOf, figure, lines, promVariable } from "../panel.ts";

/** Each is a scrape job of its own name. */
export const controlPlaneServices = [
  "activation",
  "alerting",
  "analytics-ingest",
  "api-manager",
  "cert-authority",
  "config-resolver",
  "management-api",
  "monitoring-ingest",
  "runtime-manager",
] as const;
type Service = (typeof controlPlaneServices)[number];

/** They write events with their state. */
const publishers = ["activation", "api-manager", "cert-authority", "config-resolver", "runtime-manager"] as const;
/** They refuse certificates that were revoked. */
const refusers = controlPlaneServices.filter((service) => service !== "management-api");

/** One metric of several services, of those that the dashboard shows. */
function of(metric: string, services: readonly Service[] = controlPlaneServices, more = ""): string {
  const names = services.map((service) => service.replaceAll("-", "_")).join("|");
  return `{__name__=~"drawbridge_(${names})_${metric}", job=~"$service"${more}}`;
}

const perService = "{{job}}";

/** Services of the control plane. */
export function controlPlane(): Dashboard {
  return dashboardOf({
    uid: "drawbridge-control-plane",
    title: "Drawbridge: control plane",
    description: "Services of the control plane, from their /metrics.",
    variables: [promVariable("service", "Service", `label_values(${of("process_uptime_seconds")}, job)`)],
    rows: [
      { title: "State", panels: statePanels() },
      { title: "Requests", panels: requestPanels() },
      { title: "Certificates", panels: certificatePanels() },
      { title: "Fabrics, bundles, metrics", panels: fabricPanels() },
      { title: "Analytics", panels: analyticsPanels() },
      { title: "Processes", panels: processPanels() },
    ],
  });
}

function statePanels() {
  return [
    figure(
      { title: "Replicas that answer", description: "By service. None: it is down, or not scraped.", unit: "short" },
      { expr: `sum by (job) (up{job=~"$service"})`, legend: perService },
    ),
    lines(
      {
        title: "Checks that fail",
        description: "Of /readyz, by what they check. A degraded one (bus, outbox) leaves the service ready.",
        unit: "short",
      },
      { expr: `sum by (job, check) (1 - ${of("health_check")}) > 0`, legend: "{{job}}: {{check}}" },
    ),
    lines(
      {
        title: "Oldest event that waits",
        description: "In the outbox. Above 300 s: NATS is away, or refuses an event.",
        unit: "s",
        warnFrom: 300,
      },
      { expr: `max by (job) (${of("outbox_oldest_age_seconds", publishers)})`, legend: perService },
    ),
  ];
}

function requestPanels() {
  const rate = (metric: string, more = "") => `rate(${of(metric, controlPlaneServices, more)}[$__rate_interval])`;
  return [
    lines(
      { title: "Requests", description: "Answered, whatever the answer was.", unit: "reqps" },
      { expr: `sum by (job) (${rate("requests_total")})`, legend: perService },
    ),
    lines(
      {
        title: "Answers that are errors",
        description:
          "By code (docs/errors.md). INTERNAL, STORE_FAILED and BUS_REFUSED are defects: the log has the cause.",
        unit: "reqps",
      },
      { expr: `sum by (job, code) (${rate("requests_total", ', code!="OK"')}) > 0`, legend: "{{job}}: {{code}}" },
    ),
    lines(
      { title: "Time to answer, 95 of 100", description: "From request to answer.", unit: "s" },
      {
        expr: `histogram_quantile(0.95, sum by (job, le) (${rate("request_duration_seconds_bucket")}))`,
        legend: perService,
      },
    ),
    lines(
      { title: "Open connections", description: "By listener.", unit: "short" },
      { expr: `sum by (job, listener) (${of("connections")})`, legend: "{{job}}: {{listener}}" },
    ),
    lines(
      {
        title: "Connections refused",
        description:
          "rate, concurrency, connections: overload. handshake, identity: strangers. revoked: somebody uses a revoked certificate.",
        unit: "cps",
      },
      { expr: `sum by (job, reason) (${rate("connections_refused_total")}) > 0`, legend: "{{job}}: {{reason}}" },
    ),
    lines(
      { title: "Connections cut", description: "Because their certificate ended or was revoked.", unit: "cps" },
      { expr: `sum by (job, reason) (${rate("connections_cut_total")}) > 0`, legend: "{{job}}: {{reason}}" },
    ),
  ];
}

function certificatePanels() {
  return [
    lines(
      {
        title: "Until the service's certificate ends",
        description: "Renewed at half of its life. Below a day: the log says why it is not.",
        unit: "s",
      },
      { expr: `min by (job) (${of("certificate_not_after_seconds")}) - time()`, legend: perService },
    ),
    lines(
      {
        title: "Until CA certificates end",
        description: "The issuing CA rolls over 30 days before; the root is replaced by `drawbridge ca rotate`.",
        unit: "s",
      },
      { expr: "min(drawbridge_cert_authority_issuing_ca_not_after_seconds) - time()", legend: "issuing CA" },
      { expr: "min(drawbridge_cert_authority_root_ca_not_after_seconds) - time()", legend: "root CA" },
    ),
    lines(
      { title: "Certificates asked for", description: "By profile and result.", unit: "reqps" },
      {
        expr: "sum by (profile, result) (rate(drawbridge_cert_authority_certificate_requests_total[$__rate_interval]))",
        legend: "{{profile}}: {{result}}",
      },
    ),
    lines(
      { title: "Certificates in work", description: "Near 1,000: add a replica.", unit: "short", warnFrom: 900 },
      { expr: "sum(drawbridge_cert_authority_issue_queue_certificates)", legend: "queue" },
    ),
    lines(
      { title: "Signing, 95 of 100", description: "Checking a request and signing its leaf.", unit: "s" },
      {
        expr: "histogram_quantile(0.95, sum by (le) (rate(drawbridge_cert_authority_signing_seconds_bucket[$__rate_interval])))",
        legend: "signing",
      },
    ),
    lines(
      {
        title: "Age of revocation lists",
        description: "Above 30 s: new revocations are not felt there.",
        unit: "s",
        warnFrom: 30,
      },
      { expr: `max by (job) (${of("revocation_list_age_seconds", refusers)})`, legend: perService },
    ),
  ];
}

function fabricPanels() {
  const interval = "[$__rate_interval]";
  return [
    lines(
      { title: "Tunnels", description: "Held by each replica of runtime-manager.", unit: "short" },
      { expr: "sum by (instance) (drawbridge_runtime_manager_tunnels)", legend: "{{instance}}" },
    ),
    lines(
      { title: "Renewals over tunnels", description: "By outcome.", unit: "reqps" },
      {
        expr: `sum by (outcome) (rate(drawbridge_runtime_manager_renewals_total${interval}))`,
        legend: "{{outcome}}",
      },
    ),
    lines(
      { title: "Artefacts to fabrics", description: "Bundles and configurations.", unit: "Bps" },
      { expr: `sum(rate(drawbridge_config_resolver_download_bytes_total${interval}))`, legend: "to fabrics" },
      { expr: `sum(rate(drawbridge_config_resolver_upload_bytes_total${interval}))`, legend: "from operators" },
    ),
    lines(
      {
        title: "Free on the disk of bundles",
        description: "Below the largest bundle: uploads are refused with DISK_FULL.",
        unit: "bytes",
      },
      { expr: 'min by (instance) (drawbridge_config_resolver_blob_disk_bytes{kind="free"})', legend: "{{instance}}" },
    ),
    lines(
      {
        title: "Artefacts refused",
        description: "A fabric asks for what is not deployed to it.",
        unit: "reqps",
      },
      { expr: `sum(rate(drawbridge_config_resolver_artefact_refused_total${interval}))`, legend: "refused" },
    ),
    lines(
      { title: "Rows of app metrics", description: "Made durable by monitoring-ingest.", unit: "wps" },
      { expr: `sum(rate(drawbridge_monitoring_ingest_metric_rows_total${interval}))`, legend: "rows" },
    ),
  ];
}

function analyticsPanels() {
  const rate = (metric: string): string => `rate(drawbridge_analytics_ingest_${metric}[$__rate_interval])`;
  return [
    lines(
      { title: "Requests reported", description: "Taken from gateways, and in the store.", unit: "reqps" },
      { expr: `sum(${rate("requests_reported_total")})`, legend: "taken" },
      { expr: `sum(${rate("stored_requests_total")})`, legend: "stored" },
    ),
    lines(
      {
        title: "Batches",
        description: "By what became of them. Dead letters: `drawbridge analytics dead-letters`.",
        unit: "ops",
      },
      { expr: `sum by (outcome) (${rate("batches_total")})`, legend: "received: {{outcome}}" },
      { expr: `sum by (outcome) (${rate("stored_batches_total")})`, legend: "written: {{outcome}}" },
    ),
    lines(
      {
        title: "Until a request is seen, 99 of 100",
        description: "From the gateway to a query.",
        unit: "s",
        warnFrom: 10,
      },
      { expr: `histogram_quantile(0.99, sum by (le) (${rate("visible_lag_seconds_bucket")}))`, legend: "lag" },
    ),
    lines(
      {
        title: "Batches that wait to be stored",
        description: "In the queue; full, gateways keep theirs.",
        unit: "short",
      },
      { expr: "max(drawbridge_analytics_ingest_queue_messages)", legend: "batches" },
    ),
    lines(
      { title: "Size of the queue", description: "Of its limit, see analytics-ingest.", unit: "bytes" },
      { expr: "max(drawbridge_analytics_ingest_queue_bytes)", legend: "queue" },
    ),
    lines(
      {
        title: "Alerts that wait",
        description: "A receiver cannot be told: the log of alerting names it.",
        unit: "short",
      },
      { expr: "max(drawbridge_alerting_notifications_waiting)", legend: "waiting" },
    ),
  ];
}

function processPanels() {
  return [
    lines(
      { title: "CPU", description: "Cores in use.", unit: "short" },
      { expr: `sum by (job, instance) (rate(${of("process_cpu_seconds")}[$__rate_interval]))`, legend: perInstance },
    ),
    lines(
      { title: "Memory", description: "Resident.", unit: "bytes" },
      { expr: `sum by (job, instance) (${of("process_resident_memory_bytes")})`, legend: perInstance },
    ),
    lines(
      {
        title: "Event loop delay, 99 of 100",
        description: "Above 0.5 s: too little CPU.",
        unit: "s",
        warnFrom: 0.5,
      },
      { expr: `max by (job, instance) (${of("event_loop_delay_p99_seconds")})`, legend: perInstance },
    ),
  ];
}

const perInstance = "{{job}} {{instance}}";
