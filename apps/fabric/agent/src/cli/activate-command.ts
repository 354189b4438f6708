import { mkdir } from "node:fs/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import { activate, type ActivationStep } from "../activation/activate.ts";
import { redeemToken } from "../activation/activation-client.ts";
import { shredFile } from "../activation/shred-file.ts";
import { describeSkew, skewWarnMs } from "../clock/describe-skew.ts";
import { createEgressGate } from "../egress/egress-gate.ts";
import { createEgressLedger } from "../egress/egress-ledger.ts";
import { createIdentityStore } from "../identity/identity-store.ts";
import { createTrustStore } from "../identity/trust-store.ts";
import { parseHostPort } from "../net/host-port.ts";
import { acquireLock, lockHolder } from "../state/run-lock.ts";
import { createCommandContext, type CommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";
import { readToken, type TokenSource } from "./read-token.ts";

export interface ActivateCommandOptions extends CommonOptions {
  readonly tokenFile?: string;
  readonly controlPlane?: string;
  readonly replace?: boolean;
  readonly timeoutSeconds: number;
  readonly approvalTimeoutSeconds: number;
}

const stepTexts: Readonly<Partial<Record<ActivationStep, string>>> = {
  "keys-saved": "keys made and saved in this fabric",
  "server-verified": "control plane verified by the token's pin",
  answered: "token redeemed",
  "identity-switched": "identity saved",
};

/** `drawbridge-agent activate`. `onStep` is for tests that stop at one. */
export async function activateCommand(
  world: CommandWorld,
  options: ActivateCommandOptions,
  onStep: (step: ActivationStep) => void = () => undefined,
): Promise<number> {
  const context = createCommandContext(world, options);
  const { layout, clock, random, config, logger } = context;
  if (options.controlPlane !== undefined) parseHostPort(options.controlPlane);
  const source = await readToken(options.tokenFile ?? config.ACTIVATION_TOKEN_FILE, world.stdin);
  await mkdir(layout.root, { recursive: true, mode: 0o700 });
  if (options.replace) await refuseWhileRunning(layout.lock);
  const lock = await acquireLock({ path: `${layout.lock}.activate`, purpose: "An activation", now: clock.now() });
  const ledger = createEgressLedger({ directory: layout.egress, writer: "activate", clock, logger });
  try {
    await ledger.start(world.signal);
    const files = { clock, logger };
    const egress = createEgressGate({ ledger, payload: "refused" });
    const { token } = source;
    const result = await activate(
      {
        token,
        endpoints: options.controlPlane === undefined ? token.endpoints : [options.controlPlane],
        mode: options.replace ? "replace" : "first",
        stores: {
          identities: createIdentityStore({ directory: layout.identity, ...files }),
          monitoring: createIdentityStore({ directory: layout.monitoring, ...files }),
          trust: createTrustStore({ path: layout.trustBundle, ...files }),
          recoveryKeyPath: layout.recoveryKey,
          joinStatePath: layout.joinState,
          registryLoginPath: layout.registryLogin,
        },
        redeem: (endpoint, request, onVerified, signal) =>
          redeemToken(
            { endpoint, pins: token.pins, request, proxy: config.HTTPS_PROXY, egress, clock, logger, onVerified },
            signal,
          ),
        onStep: (step) => {
          const text = stepTexts[step];
          if (text !== undefined) world.err(`- ${text}\n`);
          onStep(step);
        },
        onRetry: (error, delayMs) => world.err(`- ${error.message}; next attempt in ${Math.ceil(delayMs / 1_000)} s\n`),
        onApprovalAwaited: (error, keySha256) =>
          world.err(
            `- this agent's key is ${keySha256}\n- ${error.message}\n- waiting for ${options.approvalTimeoutSeconds} s at most; the same command goes on waiting\n`,
          ),
        timeoutMs: options.timeoutSeconds * 1_000,
        approvalTimeoutMs: options.approvalTimeoutSeconds * 1_000,
        clock,
        random,
      },
      world.signal,
    );
    await shredToken(context, source);
    tell(world, context, result);
    return exitCode.ok;
  } finally {
    await ledger.stop(AbortSignal.timeout(2_000));
    await lock.release();
  }
}

function tell(world: CommandWorld, { layout }: CommandContext, result: Awaited<ReturnType<typeof activate>>): void {
  if (result.outcome === "already") {
    world.out(
      `Fabric ${result.meta.fabricName} (${result.meta.fabricId}) was activated with this token already; nothing to do.\n`,
    );
    return;
  }
  const { enrolment, clockSkewMs } = result;
  world.out(`Fabric ${enrolment.fabricName} (${enrolment.fabricId}) is activated; agent ${enrolment.agentId}.\n`);
  world.out(
    `The certificate is valid until ${enrolment.identity.notAfter.toISOString()}; everything is in ${layout.root}.\n`,
  );
  world.out(`Next: drawbridge-agent run --state-dir ${layout.root}\n`);
  if (Math.abs(clockSkewMs) >= skewWarnMs) {
    world.err(
      `Warning: your clock is ${describeSkew(clockSkewMs)} of the control plane's: set it right (NTP), or certificates will be refused.\n`,
    );
  }
}

async function shredToken({ err }: CommandContext, { file }: TokenSource): Promise<void> {
  if (file === undefined) return;
  if ((await shredFile(file)) === "kept")
    err(`Warning: the token file ${file} cannot be removed; the token is used up, remove it.\n`);
}

async function refuseWhileRunning(lock: string): Promise<void> {
  const pid = await lockHolder(lock);
  if (pid === undefined) return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "STATE_FOLDER_IN_USE",
    message: `the agent runs on this state folder (process ${pid}): stop it, replace the identity, start it again; its apps go on meanwhile`,
    details: { pid: String(pid) },
  });
}
