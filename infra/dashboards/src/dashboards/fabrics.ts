import type { Dashboard } from "@grafana/schema";
import { dashboardOf, figure, lines, promVariable } from "../panel.ts";

const here = '{fabric=~"$fabric"}';
const agent = (metric: string): string => `drawbridge_agent_${metric}${here}`;
const collector = (metric: string): string => `drawbridge_monitoring_collector_${metric}${here}`;
const rate = (series: string): string => `rate(${series}[$__rate_interval])`;
const perFabric = "{{fabric}}";

/** Agents and collectors of fabrics. */
export function fabrics(): Dashboard {
  return dashboardOf({
    uid: "drawbridge-fabrics",
    title: "Drawbridge: agents and collectors",
    description: "Agents and monitoring collectors of fabrics, from their /metrics.",
    variables: [promVariable("fabric", "Fabric", "label_values(drawbridge_agent_process_uptime_seconds, fabric)")],
    rows: [
      { title: "Tunnel", panels: tunnelPanels() },
      { title: "What is wanted and what is", panels: desiredPanels() },
      { title: "Monitoring collector", panels: collectorPanels() },
    ],
  });
}

function tunnelPanels() {
  return [
    figure(
      {
        title: "Fabrics without a tunnel",
        description: "Apps and gateways go on. `drawbridge-agent doctor` says what is in the way.",
        unit: "short",
        warnFrom: 1,
      },
      { expr: `sum(1 - ${agent("tunnel_connected")})`, legend: "without" },
    ),
    lines(
      { title: "Connection attempts", description: "By cause.", unit: "ops" },
      { expr: `sum by (fabric, reason) (${rate(agent("tunnel_reconnects_total"))})`, legend: "{{fabric}}: {{reason}}" },
    ),
    lines(
      { title: "Until certificates end", description: "Renewed at half of their life.", unit: "s" },
      {
        expr: `min by (fabric, component) (${agent("cert_not_after_seconds")}) - time()`,
        legend: "{{fabric}}: {{component}}",
      },
    ),
    lines(
      { title: "Renewals", description: "By result.", unit: "ops" },
      { expr: `sum by (fabric, result) (${rate(agent("renewals_total"))})`, legend: "{{fabric}}: {{result}}" },
    ),
    lines(
      { title: "Clock of the agent's machine", description: "Minus the control plane's. Beyond 60 s: NTP.", unit: "s" },
      { expr: agent("clock_skew_seconds"), legend: perFabric },
    ),
    lines(
      { title: "Frames that wait for the tunnel", description: "A queue that stays: a slow link.", unit: "short" },
      { expr: `max by (fabric) (${agent("frame_queue_depth")})`, legend: perFabric },
    ),
  ];
}

function desiredPanels() {
  const generation = (kind: string): string => `drawbridge_agent_generation{fabric=~"$fabric", kind="${kind}"}`;
  return [
    lines(
      {
        title: "Generations behind",
        description: "More than none for minutes: a wish that the fabric does not take over.",
        unit: "short",
      },
      {
        expr: `max by (fabric) (${generation("desired")}) - max by (fabric) (${generation("observed")})`,
        legend: perFabric,
      },
    ),
    lines(
      { title: "Until a wish is taken over, 95 of 100", description: "From its announcement.", unit: "s" },
      {
        expr: `histogram_quantile(0.95, sum by (fabric, le) (${rate(agent("propagation_seconds_bucket"))}))`,
        legend: perFabric,
      },
    ),
    lines(
      { title: "Apps", description: "By phase: `drawbridge app show` says more.", unit: "short" },
      { expr: `sum by (phase) (${agent("apps")})`, legend: "{{phase}}" },
    ),
  ];
}

function collectorPanels() {
  return [
    lines(
      { title: "Check-ins", description: "By result.", unit: "ops" },
      { expr: `sum by (result) (${rate(collector("check_ins_total"))})`, legend: "{{result}}" },
    ),
    lines(
      { title: "Looks at replicas", description: "By outcome.", unit: "ops" },
      { expr: `sum by (outcome) (${rate(collector("samples_total"))})`, legend: "{{outcome}}" },
    ),
    lines(
      { title: "Batches sent", description: "By result.", unit: "ops" },
      { expr: `sum by (result) (${rate(collector("exports_total"))})`, legend: "{{result}}" },
    ),
    lines(
      { title: "Oldest sample that waits", description: "On disk, while monitoring-ingest is away.", unit: "s" },
      { expr: `max by (fabric) (${collector("queue_oldest_age_seconds")})`, legend: perFabric },
    ),
    lines(
      { title: "Waiting on disk", description: "Full, the oldest are given up.", unit: "bytes" },
      { expr: `sum by (fabric) (${collector("queue_size_bytes")})`, legend: perFabric },
    ),
    lines(
      { title: "Data points lost", description: "By reason.", unit: "ops" },
      {
        expr: `sum by (fabric, reason) (${rate(collector("dropped_points_total"))})`,
        legend: "{{fabric}}: {{reason}}",
      },
    ),
  ];
}
