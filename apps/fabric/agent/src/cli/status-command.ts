import { isDrawbridgeError } from "@drawbridge/errors";
import { request } from "undici";
import { describeDuration, describeSkew } from "../clock/describe-skew.ts";
import { createIdentityStore } from "../identity/identity-store.ts";
import { loadAgentIdentity } from "../identity/load-agent-identity.ts";
import type { IdentityMeta } from "../identity/identity-meta.ts";
import { createTrustStore } from "../identity/trust-store.ts";
import { renewAtOf } from "../renewal/renewal-schedule.ts";
import { createJsonFile } from "../state/json-file.ts";
import { lockHolder } from "../state/run-lock.ts";
import { runStatusSchema, type RunStatus } from "../state/run-status.ts";
import { createCommandContext, type CommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";
import { formatTable } from "./table.ts";

export interface StatusCommandOptions extends CommonOptions {
  readonly output: "table" | "json";
}

type Certificate = RunStatus["certificates"][number];

/** Whether the process lives and what it says at its ops listener. */
type Process =
  | { readonly state: "stopped" }
  | { readonly state: "running"; readonly pid: number; readonly ready: string };

/** `drawbridge-agent status`: from the state folder, and from the running agent where one runs. */
export async function statusCommand(world: CommandWorld, options: StatusCommandOptions): Promise<number> {
  const context = createCommandContext(world, options);
  const { layout, clock, logger } = context;
  const files = { clock, logger };
  const identity = await readIdentity(context);
  const status = await createJsonFile({ path: layout.runStatus, schema: runStatusSchema, ...files }).read();
  const pid = await lockHolder(layout.lock);
  const live: Process =
    pid === undefined ? { state: "stopped" } : { state: "running", pid, ready: await askReady(status?.opsAddress) };
  const now = clock.now();
  const certificates = identity ? await readCertificates(context, identity, status) : [];
  if (options.output === "json") {
    world.out(
      `${JSON.stringify({ activated: identity !== undefined, process: live, identity, certificates, lastStatus: status }, undefined, 2)}\n`,
    );
  } else {
    world.out(
      identity
        ? textOf({ identity, certificates, live, status, now })
        : `not activated: ${layout.root} holds no identity\n`,
    );
  }
  return identity ? exitCode.ok : exitCode.notActivated;
}

async function readIdentity({ layout, clock, logger }: CommandContext): Promise<IdentityMeta | undefined> {
  try {
    const identities = createIdentityStore({ directory: layout.identity, clock, logger });
    const trust = createTrustStore({ path: layout.trustBundle, clock, logger });
    return (await loadAgentIdentity({ identities, trust })).meta;
  } catch (error) {
    if (isDrawbridgeError(error, "AGENT_NOT_ACTIVATED")) return undefined;
    throw error;
  }
}

/** From the files, so that it is true also while the agent does not run; the last failure is what it said when it ran. */
async function readCertificates(
  { layout, clock, logger }: CommandContext,
  identity: IdentityMeta,
  status: RunStatus | undefined,
): Promise<readonly Certificate[]> {
  const monitoring = await createIdentityStore({ directory: layout.monitoring, clock, logger }).load();
  const held = [
    { purpose: "tunnel" as const, meta: identity },
    ...(monitoring ? [{ purpose: "monitoring" as const, meta: monitoring.meta }] : []),
  ];
  return held.map(({ purpose, meta }) => ({
    purpose,
    serialNumber: meta.serialNumber,
    notAfter: meta.notAfter,
    renewAt: renewAtOf(meta).toISOString(),
    lastFailure: status?.certificates.find((each) => each.purpose === purpose)?.lastFailure ?? "",
  }));
}

/** "ready", or what is missing. */
async function askReady(opsAddress: string | undefined): Promise<string> {
  if (opsAddress === undefined) return "no answer yet";
  try {
    const { statusCode, body } = await request(`http://${opsAddress}/readyz`, { signal: AbortSignal.timeout(2_000) });
    const report = (await body.json()) as { readonly checks?: Readonly<Record<string, string>> }; // our own listener's answer
    if (statusCode === 200) return "ready";
    const missing = Object.entries(report.checks ?? {}).filter(([, result]) => result !== "ok");
    return `not ready: ${missing.map(([name, result]) => `${name} (${result})`).join("; ")}`;
  } catch {
    return `no answer at ${opsAddress}`;
  }
}

function textOf(about: {
  readonly identity: IdentityMeta;
  readonly certificates: readonly Certificate[];
  readonly live: Process;
  readonly status: RunStatus | undefined;
  readonly now: Date;
}): string {
  const { identity, certificates, live, status, now } = about;
  const rows = [
    ["Fabric", `${identity.fabricName} (${identity.fabricId})`],
    ["Agent", identity.agentId],
    ...certificates.map((certificate) => [`Certificate ${certificate.purpose}`, certificateText(certificate, now)]),
    [
      "Process",
      live.state === "running" ? `running, pid ${live.pid}, ${live.ready}` : "not running; apps go on without it",
    ],
  ];
  if (status === undefined) return formatTable(rows);
  const when = live.state === "running" ? "" : " (when it last ran)";
  rows.push(
    [`Tunnel${when}`, tunnelText(status.tunnel)],
    [`Generation${when}`, `desired ${status.generation.desired}, observed ${status.generation.observed}`],
    ["Trust bundle", status.trustBundleSequence === "" ? "none" : `sequence ${status.trustBundleSequence}`],
    ["Clock", clockText(status)],
    ["Logs", status.logsAllowed ? "operators may read app logs" : "app logs do not leave this fabric"],
    ...status.alerts.map(({ reason, message }) => [`Alert ${reason}`, message]),
  );
  if (status.apps.length === 0) return `${formatTable(rows)}\nNo apps.\n`;
  const apps = status.apps.map((app) => [
    app.name,
    app.environment,
    app.version,
    app.phase,
    `${app.readyReplicas}/${app.replicas}`,
    String(app.restarts),
    app.endpoints.join(" ") || "-",
    app.message,
  ]);
  const header = ["APP", "ENVIRONMENT", "VERSION", "PHASE", "READY", "RESTARTS", "ENDPOINT", ""];
  return `${formatTable(rows)}\n${formatTable([header, ...apps])}`;
}

function certificateText({ serialNumber, notAfter, renewAt, lastFailure }: Certificate, now: Date): string {
  const leftMs = new Date(notAfter).getTime() - now.getTime();
  const validity = leftMs > 0 ? `${describeDuration(leftMs)} left` : `expired ${describeDuration(leftMs)} ago`;
  const failure = lastFailure === "" ? "" : `, last attempt failed: ${lastFailure}`;
  return `until ${notAfter} (${validity}), serial ${serialNumber}, renewal ${renewAt}${failure}`;
}

function tunnelText(tunnel: RunStatus["tunnel"]): string {
  switch (tunnel.status) {
    case "connected":
      return `connected to ${tunnel.address} (${tunnel.replica}) since ${tunnel.since}`;
    case "connecting":
      return `connecting to ${tunnel.address}`;
    case "waiting":
      return `down since ${tunnel.since}, next attempt ${tunnel.retryAt}: ${tunnel.message}`;
    case "refused":
      return `refused since ${tunnel.since} (${tunnel.code}): ${tunnel.message}`;
    case "not-activated":
      return "not activated";
  }
}

function clockText({ clockSkewMs, clockSynced }: RunStatus): string {
  if (clockSkewMs === undefined) return "not measured yet";
  return `${describeSkew(clockSkewMs)}${clockSynced ? "" : "; not synced: certificates cannot be judged by it"}`;
}
