import { createEgressGate } from "../egress/egress-gate.ts";
import { createEgressLedger } from "../egress/egress-ledger.ts";
import { createIdentityStore } from "../identity/identity-store.ts";
import { loadAgentIdentity } from "../identity/load-agent-identity.ts";
import { createTrustStore } from "../identity/trust-store.ts";
import { createRecovery, type RecoveryStep } from "../recovery/create-recovery.ts";
import { createRecoveryClient } from "../recovery/recovery-client.ts";
import { createAgentStateStore } from "../state/agent-state.ts";
import { lockHolder } from "../state/run-lock.ts";
import { createCommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";

/** `drawbridge-agent recover`: one attempt now, every step told. `onStep` is for tests that stop at one. */
export async function recoverCommand(
  world: CommandWorld,
  options: CommonOptions,
  onStep: (step: RecoveryStep) => void = () => undefined,
): Promise<number> {
  const { layout, clock, config, logger, signal } = createCommandContext(world, options);
  const files = { clock, logger };
  const identities = createIdentityStore({ directory: layout.identity, ...files });
  const trust = createTrustStore({ path: layout.trustBundle, ...files });
  const before = (await loadAgentIdentity({ identities, trust })).meta;
  const isOver = new Date(before.notAfter) <= clock.now();
  world.err(
    `- fabric ${before.fabricName} (${before.fabricId}), agent ${before.agentId}\n` +
      `- the certificate ${before.serialNumber} ${isOver ? "ended" : "is valid until"} ${before.notAfter}\n`,
  );
  const state = createAgentStateStore({ path: layout.state, ...files });
  await state.load();
  const ledger = createEgressLedger({ directory: layout.egress, writer: "recover", ...files });
  await ledger.start(signal);
  try {
    const recovery = createRecovery({
      layout,
      identities,
      monitoring: createIdentityStore({ directory: layout.monitoring, ...files }),
      trust,
      client: createRecoveryClient({
        proxy: config.HTTPS_PROXY,
        egress: createEgressGate({ ledger, payload: "refused" }),
        measuredSkewMs: () => state.get().clockSkewMs,
        ...files,
      }),
      onStep: (step) => {
        const text = textOf(step);
        if (text !== undefined) world.err(`- ${text}\n`);
        onStep(step);
      },
      clock,
    });
    await recovery.recover(isOver ? "expired" : "unknown", signal);
  } finally {
    await ledger.stop(AbortSignal.timeout(2_000));
  }
  const { meta } = await loadAgentIdentity({ identities, trust });
  const isNew = meta.serialNumber !== before.serialNumber;
  world.out(
    isNew
      ? `Recovered: the certificate ${meta.serialNumber} is valid until ${meta.notAfter}.\n`
      : "The trusted roots were replaced; the certificate is still good.\n",
  );
  if ((await lockHolder(layout.lock)) !== undefined)
    world.out("The running agent takes it over with its next attempts.\n");
  return exitCode.ok;
}

function textOf(step: RecoveryStep): string | undefined {
  switch (step.step) {
    case "asking":
      return `asking ${step.endpoint}`;
    case "trust-adopted":
      return `the control plane's roots were replaced meanwhile: followed their signatures to trust bundle ${step.sequence}`;
    case "server-verified":
      return "control plane verified by a trusted root";
    case "challenged":
      return "challenge received, answering with the recovery key";
    case "answered":
      return `new certificate ${step.serialNumber}`;
    case "identity-switched":
      return "identity saved; the one before is kept";
    case "staged":
    case "trust-saved":
    case "monitoring-switched":
    case "finished":
      return undefined;
  }
}
