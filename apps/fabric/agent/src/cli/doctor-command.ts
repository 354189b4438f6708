import { gatewayDirectory } from "@drawbridge/app-routes";
import { dial, type EgressLedger } from "@drawbridge/egress";
import { clientTlsOptions, pinnedTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";
import { assertNotExpired, type ActivationToken } from "../activation/activation-token.ts";
import { describeDuration } from "../clock/describe-skew.ts";
import { checkClock } from "../doctor/check-clock.ts";
import { checkEndpoint, type ReachOptions } from "../doctor/check-endpoint.ts";
import { checkMachine } from "../doctor/check-machine.ts";
import { checkMonitoring } from "../doctor/check-monitoring.ts";
import { checkReporting } from "../doctor/check-reporting.ts";
import { check, failed, type Finding } from "../doctor/check.ts";
import { clientCertificate, createEgressLedger } from "../egress/egress-ledger.ts";
import { readLedgers } from "../egress/read-ledgers.ts";
import { createAgentCredentials, validateAtAny, type AgentCredentials } from "../identity/agent-credentials.ts";
import { createIdentityStore } from "../identity/identity-store.ts";
import { loadAgentIdentity } from "../identity/load-agent-identity.ts";
import { createJsonFile } from "../state/json-file.ts";
import { runStatusSchema } from "../state/run-status.ts";
import { checkStanding } from "../doctor/check-standing.ts";
import { createTrustStore } from "../identity/trust-store.ts";
import { parseHostPort } from "../net/host-port.ts";
import { createAgentStateStore } from "../state/agent-state.ts";
import { readAppUsers } from "./app-isolation.ts";
import { createCommandContext, type CommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";
import { readToken } from "./read-token.ts";
import { formatTable } from "./table.ts";

export interface DoctorCommandOptions extends CommonOptions {
  readonly tokenFile?: string;
  readonly controlPlane?: string;
  readonly output: "table" | "json";
}

/** `drawbridge-agent doctor`: everything that the agent needs, tried out, in one report. The token is read, never sent. */
export async function doctorCommand(world: CommandWorld, options: DoctorCommandOptions): Promise<number> {
  const context = createCommandContext(world, options);
  const { layout, clock, logger } = context;
  const ledger = createEgressLedger({ directory: layout.egress, writer: "doctor", clock, logger });
  // The report is wanted most where the state folder cannot be read.
  await ledger
    .start(world.signal)
    .catch((error: unknown) => logger.warn({ err: error }, "egress ledger cannot be read"));
  try {
    return await examine(world, { context, options, ledger });
  } finally {
    await ledger.stop(AbortSignal.timeout(2_000));
  }
}

async function examine(
  world: CommandWorld,
  about: { readonly context: CommandContext; readonly options: DoctorCommandOptions; readonly ledger: EgressLedger },
): Promise<number> {
  const { context, options, ledger } = about;
  const findings = [
    ...(await checkMachine({
      stateDirectory: context.layout.root,
      appUsers: () => readAppUsers(context.config),
      cgroupParent: context.config.CGROUP_PARENT,
    })),
    await checkProxy(context, ledger),
  ];
  if (options.tokenFile === undefined) findings.push(...(await checkActivated(context, ledger)));
  else findings.push(...(await checkBeforeActivation(context, options, ledger)));

  const isHealthy = findings.every(({ status }) => status !== "failed");
  if (options.output === "json") world.out(`${JSON.stringify({ healthy: isHealthy, findings }, undefined, 2)}\n`);
  else world.out(textOf(findings));
  return isHealthy ? exitCode.ok : exitCode.failure;
}

async function checkProxy({ config, signal }: CommandContext, ledger: EgressLedger): Promise<Finding> {
  const proxy = config.HTTPS_PROXY;
  if (proxy === undefined) return { name: "proxy", status: "skipped", detail: "none configured" };
  return check("proxy", async () => {
    ledger.record({
      peer: `proxy ${proxy.host}:${proxy.port}`,
      messageType: "doctor.tcp-connect",
      sizeBytes: 0,
      fields: [],
    });
    (await dial({ target: proxy, timeoutMs: 10_000 }, signal)).destroy();
    return `${proxy.host}:${proxy.port} can be reached`;
  });
}

async function checkActivated(context: CommandContext, ledger: EgressLedger): Promise<readonly Finding[]> {
  const { layout, clock, logger, config, signal } = context;
  const files = { clock, logger };
  const identities = createIdentityStore({ directory: layout.identity, ...files });
  const trust = createTrustStore({ path: layout.trustBundle, ...files });
  const state = createAgentStateStore({ path: layout.state, ...files });
  await state.load();
  const measuredSkewMs = state.get().clockSkewMs;
  // The clock may have been set right since the skew was measured, so either time will do.
  const possibleNows = () => [clock.now(), new Date(clock.now().getTime() - (measuredSkewMs ?? 0))];
  let credentials: AgentCredentials;
  let identity: IdentitySnapshot;
  let recovery: readonly Finding[] = [];
  try {
    const loaded = await loadAgentIdentity({ identities, trust });
    credentials = createAgentCredentials(loaded, {
      identities,
      trust,
      measuredSkewMs: () => measuredSkewMs,
      possibleNows,
      ...files,
    });
    recovery = await checkRecovery({ context, credentials, ledger, measuredSkewMs });
    identity = credentials.snapshot();
  } catch (error) {
    return [failed("identity", error), ...recovery];
  }
  const { endpoints, fabricName } = credentials.meta();
  const leftMs = identity.notAfter.getTime() - clock.now().getTime();
  const findings: Finding[] = [
    {
      name: "identity",
      status: "ok",
      detail: `fabric ${fabricName}, certificate valid for ${describeDuration(leftMs)}`,
    },
  ];
  const runStatus = createJsonFile({ path: layout.runStatus, schema: runStatusSchema, ...files });
  findings.push(...checkStanding(await runStatus.read()));
  const common = {
    proxy: config.HTTPS_PROXY,
    now: () => clock.now(),
    measuredSkewMs,
    ledger,
    shown: clientCertificate,
  };
  for (const address of endpoints.tunnel) {
    const tlsOptions = () => Promise.resolve(clientTlsOptions(identity, { expectedServer: "/cp/runtime-manager" }));
    findings.push(
      ...(await checkEndpoint(
        { ...common, what: "tunnel", address, tlsOptions, expectedServer: "/cp/runtime-manager" },
        signal,
      )),
    );
  }
  const resolver = new URL(endpoints.configResolver);
  findings.push(
    ...(await checkEndpoint(
      {
        ...common,
        what: "config-resolver",
        address: resolver.port === "" ? `${resolver.host}:443` : resolver.host,
        tlsOptions: () =>
          Promise.resolve(
            clientTlsOptions(identity, { expectedServer: "/cp/config-resolver", alpnProtocols: ["http/1.1"] }),
          ),
        expectedServer: "/cp/config-resolver",
      },
      signal,
    )),
  );
  const isReachable = findings.at(-1)?.status === "ok";
  findings.push(
    isReachable
      ? await check("clock", () => checkClock({ baseUrl: endpoints.configResolver, identity, ...common }, signal))
      : { name: "clock", status: "skipped", detail: "config-resolver cannot be asked for the time" },
  );
  findings.push(...(await checkReports({ context, credentials, possibleNows, common })));
  return [...findings, ...recovery];
}

/** The ways of the programs beside the agent, with what they have. */
async function checkReports(about: {
  readonly context: CommandContext;
  readonly credentials: AgentCredentials;
  readonly possibleNows: () => readonly Date[];
  readonly common: ReachOptions;
}): Promise<readonly Finding[]> {
  const { context, credentials, possibleNows, common } = about;
  const { layout, clock, logger, signal } = context;
  const trustBundle = credentials.trustBundle();
  const stored = await createIdentityStore({ directory: layout.monitoring, clock, logger }).load();
  const sent = await readLedgers({
    directory: layout.egress,
    gateways: gatewayDirectory(layout.cluster),
    oldestDay: new Date(clock.now().getTime() - 86_400_000).toISOString().slice(0, 10),
    clock,
    logger,
  });
  const identity = stored && (() => validateAtAny({ ...stored, trustBundle }, possibleNows()));
  return [
    ...(await checkReporting({ clusterDirectory: layout.cluster, trustBundle, common, logger }, signal)),
    ...(await checkMonitoring({ identity, sent, common }, signal)),
  ];
}

/** Where the way back begins when the certificate is gone (REN 7): it takes a trusted root, and no certificate of ours. */
async function checkRecovery(about: {
  readonly context: CommandContext;
  readonly credentials: AgentCredentials;
  readonly ledger: EgressLedger;
  readonly measuredSkewMs: number | undefined;
}): Promise<readonly Finding[]> {
  const { context, credentials, ledger, measuredSkewMs } = about;
  const trustBundle = credentials.trustBundle();
  const expectedServer = "/cp/activation";
  const findings: Finding[] = [];
  for (const address of credentials.meta().endpoints.activation) {
    const endpoint = {
      what: "activation (recovery)",
      address,
      proxy: context.config.HTTPS_PROXY,
      tlsOptions: () => Promise.resolve(clientTlsOptions({ trustBundle }, { expectedServer })),
      expectedServer,
      now: () => context.clock.now(),
      measuredSkewMs,
      ledger,
      shown: [],
    };
    findings.push(...(await checkEndpoint(endpoint, context.signal)));
  }
  return findings;
}

async function checkBeforeActivation(
  context: CommandContext,
  options: DoctorCommandOptions,
  ledger: EgressLedger,
): Promise<readonly Finding[]> {
  const { clock, config, signal } = context;
  let token: ActivationToken;
  try {
    token = (await readToken(options.tokenFile, context.stdin)).token;
    assertNotExpired(token, clock.now());
  } catch (error) {
    return [failed("activation token", error)];
  }
  const leftMs = token.expiresAt.getTime() - clock.now().getTime();
  const findings: Finding[] = [
    { name: "activation token", status: "ok", detail: `${token.tokenId}, valid for ${describeDuration(leftMs)}` },
  ];
  const expectedServer = "/cp/activation";
  for (const address of options.controlPlane === undefined ? token.endpoints : [options.controlPlane]) {
    const target = parseHostPort(address);
    const tlsOptions = async (inner: AbortSignal) => {
      const pinned = await pinnedTlsOptions(
        {
          ...target,
          pins: token.pins,
          expectedServer,
          openSocket: (each) => {
            ledger.record({
              peer: `activation ${address}`,
              messageType: "doctor.tls-handshake",
              sizeBytes: 0,
              fields: [],
            });
            return dial({ target, proxy: config.HTTPS_PROXY, timeoutMs: 10_000 }, each);
          },
        },
        AbortSignal.any([inner, AbortSignal.timeout(20_000)]),
      );
      return pinned.tlsOptions;
    };
    const about = {
      what: "activation",
      address,
      proxy: config.HTTPS_PROXY,
      tlsOptions,
      expectedServer,
      now: () => clock.now(),
    };
    findings.push(...(await checkEndpoint({ ...about, measuredSkewMs: undefined, ledger, shown: [] }, signal)));
  }
  return findings;
}

function textOf(findings: readonly Finding[]): string {
  const marks = { ok: "ok", failed: "FAILED", skipped: "-" } as const;
  const rows = findings.flatMap((finding) => {
    const row = [marks[finding.status], finding.name, finding.detail];
    return finding.status === "failed" ? [row, ["", "", `fix: ${finding.fix}`]] : [row];
  });
  const failures = findings.filter(({ status }) => status === "failed").length;
  return `${formatTable(rows)}\n${failures === 0 ? "Everything is fine." : `${failures} problem(s).`}\n`;
}
