import type { Dashboard } from "@grafana/schema";
import { dashboardOf, figure, lines, promVariable } from "../panel.ts";

const gateway = "drawbridge_gatekeeper_proxy";
const here = 'fabric=~"$fabric"';
const of = (metric: string, more = ""): string => `${gateway}_${metric}{${here}${more}}`;
const rate = (metric: string): string => `rate(${of(metric)}[$__rate_interval])`;

/** States in which requests of an API are refused (docs/gatekeeper.md). */
const blocked = ["fetching", "applying", "policy_error", "offline", "unresolved"] as const;

/** Gateways of fabrics. */
export function gateways(): Dashboard {
  const perGateway = "{{fabric}} {{instance}}";
  return dashboardOf({
    uid: "drawbridge-gateways",
    title: "Drawbridge: gateways",
    description: "Gateways of fabrics, from their /metrics. What single APIs do is in analytics.",
    variables: [promVariable("fabric", "Fabric", `label_values(${gateway}_process_uptime_seconds, fabric)`)],
    rows: [
      {
        title: "Requests of tracked APIs",
        panels: [
          lines(
            { title: "Requests", description: "By what became of them.", unit: "reqps" },
            { expr: `sum by (disposition) (${rate("tracked_requests_total")})`, legend: "{{disposition}}" },
          ),
          lines(
            { title: "Mean time", description: "From the head of a request to the end of its answer.", unit: "s" },
            {
              expr: `sum by (fabric) (${rate("tracked_requests_duration_seconds_total")}) / sum by (fabric) (${rate("tracked_requests_total")})`,
              legend: "{{fabric}}",
            },
          ),
          lines(
            { title: "Share that is not processed", description: "Refused, blocked or failed.", unit: "percentunit" },
            {
              expr: `sum by (fabric) (rate(${of("tracked_requests_total", ', disposition!="processed"')}[$__rate_interval])) / sum by (fabric) (${rate("tracked_requests_total")})`,
              legend: "{{fabric}}",
            },
          ),
        ],
      },
      {
        title: "Gates",
        panels: [
          figure(
            {
              title: "Closed gates",
              description: "APIs whose requests are refused: `drawbridge gate explain <app>` says why.",
              unit: "short",
              warnFrom: 1,
            },
            { expr: `sum by (fabric) (${of("gates", `, state=~"${blocked.join("|")}"`)})`, legend: "{{fabric}}" },
          ),
          lines(
            { title: "Gates by state", description: "Of all gateways.", unit: "short" },
            { expr: `sum by (state) (${of("gates")}) > 0`, legend: "{{state}}" },
          ),
          lines(
            {
              title: "Gates that came to a state",
              description: "A gate that comes and goes has a cause.",
              unit: "ops",
            },
            { expr: `sum by (state) (${rate("gate_transitions_total")}) > 0`, legend: "{{state}}" },
          ),
          lines(
            {
              title: "Without the control plane",
              description: "Gateways that go on with what they have.",
              unit: "short",
            },
            { expr: `sum by (fabric) (1 - ${of("link_up")})`, legend: "{{fabric}}" },
          ),
          lines(
            { title: "Configuration in memory", description: "Objects of its tree.", unit: "bytes" },
            { expr: `sum by (fabric, instance) (${of("objects_size_bytes")})`, legend: perGateway },
          ),
          lines(
            {
              title: "Behind other gateways",
              description: "Counts of limits that the gateways of a fabric tell each other.",
              unit: "ms",
            },
            { expr: `max by (fabric, instance) (${of("peer_lag_ms")})`, legend: perGateway },
          ),
        ],
      },
      {
        title: "Analytics on their way",
        panels: [
          lines(
            {
              title: "Oldest that waits",
              description: "In the spool, while analytics-ingest is away or refuses it.",
              unit: "s",
              warnFrom: 900,
            },
            { expr: `max by (fabric, instance) (${of("analytics_oldest_age_seconds")})`, legend: perGateway },
          ),
          lines(
            { title: "Requests that wait", description: "To be delivered.", unit: "short" },
            { expr: `sum by (fabric, instance) (${of("analytics_waiting_requests")})`, legend: perGateway },
          ),
          lines(
            { title: "Spool", description: "On disk; full, the oldest are given up.", unit: "bytes" },
            { expr: `sum by (fabric, instance) (${of("analytics_spool_size_bytes")})`, legend: perGateway },
          ),
          lines(
            { title: "Requests delivered", description: "In batches that were acknowledged.", unit: "reqps" },
            { expr: `sum by (fabric) (${rate("analytics_requests_sent_total")})`, legend: "{{fabric}}" },
          ),
          lines(
            { title: "Requests lost", description: "Counted, and told as gaps; by reason.", unit: "reqps" },
            {
              expr: `sum by (fabric, reason) (${rate("analytics_requests_lost_total")})`,
              legend: "{{fabric}}: {{reason}}",
            },
          ),
          lines(
            { title: "Batches refused for good", description: "A defect, or an older control plane.", unit: "ops" },
            { expr: `sum by (fabric) (${rate("analytics_batches_refused_total")})`, legend: "{{fabric}}" },
          ),
        ],
      },
      {
        title: "Processes",
        panels: [
          lines(
            { title: "Threads that take requests", description: "One of them may end and be replaced.", unit: "short" },
            { expr: `sum by (fabric, instance) (${of("workers")})`, legend: perGateway },
          ),
          lines(
            { title: "Threads that ended", description: "On their own: a defect; the log has it.", unit: "ops" },
            { expr: `sum by (fabric, instance) (${rate("workers_ended_total")})`, legend: perGateway },
          ),
          lines(
            { title: "CPU", description: "Cores in use.", unit: "short" },
            { expr: `sum by (fabric, instance) (${rate("process_cpu_seconds")})`, legend: perGateway },
          ),
          lines(
            { title: "Memory", description: "Resident.", unit: "bytes" },
            { expr: `sum by (fabric, instance) (${of("process_resident_memory_bytes")})`, legend: perGateway },
          ),
          lines(
            {
              title: "Event loop delay, 99 of 100",
              description: "Of the main thread, which takes no requests.",
              unit: "s",
              warnFrom: 0.5,
            },
            { expr: `max by (fabric, instance) (${of("event_loop_delay_p99_seconds")})`, legend: perGateway },
          ),
        ],
      },
    ],
  });
}
