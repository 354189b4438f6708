import { Command } from "commander";
import { type FabricDetail, fabricDetailSchema, type Recovery } from "../api/fabric-types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatInstant } from "../output/format-instant.ts";
import { formatBytes, formatDuration } from "../output/format.ts";
import type { Field } from "../output/table.ts";
import { fabricPath } from "./fabric-path.ts";
import { levelOf, listGatekeeperLevels } from "./gatekeeper-levels.ts";
import { outputOption } from "./options.ts";

export function fabricShowCommand(world: CommandWorld): Command {
  return new Command("show")
    .description("show one fabric: state, certificates, trust bundle, clock, recovery, alerts")
    .argument("<fabric>", "name or id")
    .addOption(outputOption())
    .action(async (name: string, options: OutputOptions) => {
      const found = await withApi(world, async (api) => {
        const fabric = await api.call(fabricPath(name), fabricDetailSchema);
        return { ...fabric, gatekeeper: levelOf(await listGatekeeperLevels(api), "fabric", fabric.name) || null };
      });
      const gatekeeper = found.gatekeeper ?? "not set: each app's environment's, or the default of its runtime version";
      const fields = fabricFields(found, world.clock.now());
      outputOf(world, options).fields([...fields, ["Gatekeeper", gatekeeper]], found);
    });
}

function fabricFields(fabric: FabricDetail, now: Date): readonly Field[] {
  const { cluster, lock } = fabric;
  const unknown = (part: string): string | undefined => {
    const found = fabric.unknown.find((one) => one.part === part);
    return found && `unknown: ${found.message}`;
  };
  return [
    ["Name", fabric.name],
    ["Id", fabric.fabricId],
    ["State", fabric.state],
    ...fabric.alerts.map((alert): Field => [
      "Alert",
      `${alert.reason}: ${alert.message} (since ${formatInstant(alert.since, now)})`,
    ]),
    ...(lock
      ? ([
          ["Locked", `${lock.reason}: ${lock.message}, since ${formatInstant(lock.since, now)}`],
          ["  what to do", lock.remedy],
        ] as const)
      : []),
    ["Environments", fabric.environments.join(", ")],
    ["Region", fabric.region || "-"],
    ["Agent", cluster ? `${cluster.agentVersion} (${fabric.agentId})` : "not activated yet"],
    [
      "Cluster",
      cluster
        ? `${cluster.driver}, ${cluster.clusterVersion}${cluster.kubernetesVersion ? `, Kubernetes ${cluster.kubernetesVersion}` : ""}`
        : "-",
    ],
    ["Runtime", cluster?.containerRuntimeVersion || "-"],
    [
      "Capacity",
      cluster
        ? `${cluster.nodes} node(s), ${cluster.cpuMillicores / 1000} CPU, ${formatBytes(cluster.memoryBytes)}`
        : "-",
    ],
    ["Logs readable", cluster ? (cluster.logsAllowed ? "yes, by choice of the fabric's owner" : "no") : "-"],
    ["Generation", `${fabric.observedGeneration} observed, ${fabric.desiredGeneration} desired`],
    ["Apps", String(fabric.appCount)],
    ["Last seen", formatInstant(fabric.lastSeenAt, now)],
    ["Tunnel on", fabric.tunnelReplica || "-"],
    ["Clock", clockText(fabric)],
    ["Trust bundle", trustBundleText(fabric)],
    ...certificateFields(fabric, now, unknown("certificates")),
    ...collectorFields(fabric, now, unknown("collector")),
    ...recoveryFields(fabric.recovery, now, unknown("recovery")),
  ];
}

const clockMeanings: Readonly<Record<string, string>> = {
  ok: "ok",
  warn: "WARN: set the fabric's clock",
  fail: "FAIL: set the fabric's clock; certificates seem expired, or not valid yet, by a clock that is this far off",
};

function clockText({ clock, clockSkewMs }: FabricDetail): string {
  const meaning = clockMeanings[clock];
  if (meaning === undefined) return "unknown before its first connection";
  const direction = clockSkewMs < 0 ? "behind" : "ahead of";
  return `${meaning}, ${formatDuration(clockSkewMs)} ${direction} the control plane`;
}

function trustBundleText({ trustBundle }: FabricDetail): string {
  const { state, acknowledgedSequence, currentSequence } = trustBundle;
  if (state === "none") return "none acknowledged yet";
  return state === "behind"
    ? `BEHIND: acknowledged ${acknowledgedSequence}, current is ${currentSequence}`
    : `acknowledged, sequence ${acknowledgedSequence}`;
}

function certificateFields(fabric: FabricDetail, now: Date, unknown: string | undefined): readonly Field[] {
  const held = fabric.certificates.flatMap((one): Field[] => [
    ["Certificate", `${one.purpose}, ${one.state}, ${one.serialNumber}`],
    ["  expires", formatInstant(one.notAfter, now)],
    ["  renews", one.renewAt ? formatInstant(one.renewAt, now) : "not reported by the agent"],
    ...(one.lastFailure === "" ? [] : ([["  last failure", one.lastFailure]] as const)),
  ]);
  const note: readonly Field[] = unknown === undefined ? [] : [["  state", unknown]];
  return held.length === 0 ? [["Certificate", unknown ?? "none"]] : [...held, ...note];
}

function collectorFields({ collector }: FabricDetail, now: Date, unknown: string | undefined): readonly Field[] {
  if (!collector) return [["Collector", unknown ?? "never seen"]];
  return [
    ["Collector", `${collector.version}, last seen ${formatInstant(collector.lastSeenAt, now)}`],
    ["  certificate", `${collector.certificateSerial} (number ${collector.certificatesSeen} that it came with)`],
    ["  expires", formatInstant(collector.certificateNotAfter, now)],
  ];
}

/** Shared with `fabric recover`. */
export function recoveryFields(recovery: Recovery | null, now: Date, unknown?: string): readonly Field[] {
  if (!recovery) return [["Recovery", unknown ?? "none: no agent with a recovery key has connected"]];
  const { lastRefusal } = recovery;
  return [
    [
      "Recovery",
      `${recovery.mode}, ${recovery.recentRecoveries} in the last 90 days, join state number ${recovery.joinSequence}`,
    ],
    ...(recovery.lastRecoveryAt ? ([["  last one", formatInstant(recovery.lastRecoveryAt, now)]] as const) : []),
    ...(recovery.allowedUntil
      ? ([["  allowed", `one more until ${formatInstant(recovery.allowedUntil, now)}`]] as const)
      : []),
    ...(lastRefusal === ""
      ? []
      : ([["  last refusal", `${lastRefusal}, ${formatInstant(recovery.lastRefusalAt, now)}`]] as const)),
  ];
}
