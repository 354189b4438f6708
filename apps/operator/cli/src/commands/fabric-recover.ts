import { resolve } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { Command, Option } from "commander";
import type { ApiClient } from "../api/client.ts";
import { type FabricRecovery, fabricRecoverySchema, recoveryTokenSchema } from "../api/fabric-types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { writeNewPrivateFile } from "../files/new-private-file.ts";
import { formatInstant } from "../output/format-instant.ts";
import type { Output } from "../output/output.ts";
import { fabricPath } from "./fabric-path.ts";
import { recoveryFields } from "./fabric-show.ts";
import { outputOption, wholeNumber } from "./options.ts";

interface RecoverOptions extends OutputOptions {
  readonly allow?: boolean;
  readonly acceptAnyJoinState?: boolean;
  readonly mode?: "standard" | "relaxed" | "manual";
  readonly newToken?: boolean;
  readonly ttl?: number;
  readonly out?: string;
}

export function fabricRecoverCommand(world: CommandWorld): Command {
  return new Command("recover")
    .description("show how a fabric that lost its identity comes back, and help it")
    .argument("<fabric>", "name or id")
    .option("--allow", "allow one more recovery within a day, and lift the lock")
    .option(
      "--accept-any-join-state",
      "with --allow: also from an older disk; make sure first that only one copy of the agent runs",
    )
    .addOption(
      new Option("--mode <mode>", "what is done without an operator").choices(["standard", "relaxed", "manual"]),
    )
    .option("--new-token", "revoke the fabric's certificates and make a token to activate it anew; its apps stay")
    .option("--ttl <seconds>", "with --new-token: life of the token, 300 to 86400", wholeNumber(300, 86_400))
    .option("--out <file>", "with --new-token: write the token to a new file that only you can read")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nAn agent whose certificate ran out recovers by itself with its recovery key: three times in 90 days and within 30 days (standard), always (relaxed), or when an operator allows it (manual).",
    )
    .action((name: string, options: RecoverOptions) => {
      assertFitting(options);
      return withApi(world, (api) => recover(world, api, name, options));
    });
}

function assertFitting(options: RecoverOptions): void {
  const chosen = [options.allow, options.mode, options.newToken].filter((one) => one !== undefined);
  if (chosen.length > 1) throw usage("give one of --allow, --mode and --new-token");
  if (options.acceptAnyJoinState && !options.allow) throw usage("--accept-any-join-state goes with --allow");
  if ((options.ttl !== undefined || options.out !== undefined) && !options.newToken) {
    throw usage("--ttl and --out go with --new-token");
  }
}

async function recover(world: CommandWorld, api: ApiClient, name: string, options: RecoverOptions): Promise<void> {
  const output = outputOf(world, options);
  const path = `${fabricPath(name)}/recovery`;
  if (options.newToken) return newToken(world, { api, output, path }, options);
  if (options.allow) {
    const acceptAnyJoinState = options.acceptAnyJoinState === true;
    if (acceptAnyJoinState) {
      output.note(
        `warning: the next agent that shows the recovery key of ${name} is taken, however old its disk is. If a copy of that disk runs elsewhere, whichever comes first speaks for the fabric`,
      );
    }
    const body = { acceptAnyJoinState };
    const after = await api.call(`${path}/allow`, fabricRecoverySchema, { method: "POST", body });
    show(world, output, after);
    output.note(
      `allowed once until ${formatInstant(after.recovery?.allowedUntil, world.clock.now())}; the agent tries by itself, within ten minutes at the latest; at once: restart it, or run "drawbridge-agent recover" in the fabric`,
    );
    return;
  }
  if (options.mode !== undefined) {
    const body = { mode: options.mode };
    const after = await api.call(`${path}/mode`, fabricRecoverySchema, { method: "PUT", body });
    show(world, output, after);
    output.note(`the mode is ${options.mode}: ${modes[options.mode]}`);
    return;
  }
  const found = await api.call(path, fabricRecoverySchema);
  show(world, output, found);
  for (const line of whatCanBeDone(found, world.clock.now())) output.note(line);
}

const modes = {
  standard: "three automatic recoveries in 90 days, at most 30 days after the certificate ran out",
  relaxed: "no limit of number or time; the join state is checked all the same",
  manual: "an operator allows each one",
} as const;

function show(world: CommandWorld, output: Output, recovery: FabricRecovery): void {
  const now = world.clock.now();
  const { lock } = recovery;
  output.fields(
    [
      ["Fabric", `${recovery.fabric} (${recovery.fabricId})`],
      ["State", `${recovery.state}, last seen ${formatInstant(recovery.lastSeenAt, now)}`],
      ["Agent", recovery.agentId || "none has connected yet"],
      ["Certificate", recovery.certificateNotAfter ? `ends ${formatInstant(recovery.certificateNotAfter, now)}` : "-"],
      ["Locked", lock ? `${lock.reason}: ${lock.message}, since ${formatInstant(lock.since, now)}` : "no"],
      ...recoveryFields(recovery.recovery, now),
    ],
    recovery,
  );
}

/** In words of the state that it is in; the control plane decides whether it is so. */
function whatCanBeDone(found: FabricRecovery, now: Date): readonly string[] {
  const name = found.fabric;
  if (found.agentId === "") {
    return [`No agent of it has connected yet. To activate it: "drawbridge fabric token create ${name}".`];
  }
  if (found.lock) return [found.lock.remedy];
  const anew = `"drawbridge fabric recover ${name} --new-token" activates it anew: the old identity is revoked, its id and its apps stay.`;
  if (!found.recovery) return [`The agent has no recovery key. If it does not come back by itself, ${anew}`];
  const lines = [
    found.state === "connected" ? "It is connected: nothing needs to be done." : waitingText(found, now),
    `"drawbridge fabric recover ${name} --allow" allows one more recovery within a day.`,
    anew,
  ];
  return found.state === "connected" ? lines.slice(0, 1) : lines;
}

/** Refusals that only an operator can lift. */
const forOperators: Readonly<Record<string, string>> = {
  AGENT_REVOKED: "its certificate was revoked by an operator",
  RECOVERY_LIMIT_REACHED: "it has recovered three times in 90 days",
  RECOVERY_TOO_LATE: "its certificate ran out more than 30 days ago",
  RECOVERY_MANUAL_ONLY: "the mode is manual",
};

function waitingText(found: FabricRecovery, now: Date): string {
  const { recovery } = found;
  const refused = recovery ? forOperators[recovery.lastRefusal] : undefined;
  if (recovery && refused !== undefined && isAfter(recovery.lastRefusalAt, recovery.lastRecoveryAt)) {
    return recovery.allowedUntil
      ? `It was refused because ${refused}; now it is allowed once.`
      : `It waits for your permission: it was refused because ${refused}.`;
  }
  const hasEnded = found.certificateNotAfter ? new Date(found.certificateNotAfter) <= now : false;
  if (!hasEnded) return "Its certificate is valid: it reconnects by itself when it can reach the control plane.";
  return recovery?.mode === "manual" && !recovery.allowedUntil
    ? "Its certificate ran out, and in mode manual it waits for your permission."
    : "Its certificate ran out: it recovers by itself with its recovery key when it can reach the control plane.";
}

function isAfter(instant: string | null | undefined, other: string | null | undefined): boolean {
  return instant ? !other || new Date(instant) > new Date(other) : false;
}

async function newToken(
  world: CommandWorld,
  { api, output, path }: { readonly api: ApiClient; readonly output: Output; readonly path: string },
  options: RecoverOptions,
): Promise<void> {
  const create = () =>
    api.call(`${path}/token`, recoveryTokenSchema, {
      method: "POST",
      body: options.ttl === undefined ? {} : { ttlSeconds: options.ttl },
    });
  const file = options.out === undefined ? undefined : resolve(world.workingDirectory, options.out);
  const created =
    file === undefined
      ? await create()
      : await writeNewPrivateFile(file, async () => {
          const result = await create();
          return { text: `${result.token}\n`, result };
        });
  const { token, ...rest } = created;
  output.fields(
    [
      ["Fabric", `${created.fabric} (${created.fabricId})`],
      ["Revoked", `${created.revoked.length} certificate(s) of the old identity`],
      ["Token id", created.tokenId],
      ["Valid until", formatInstant(created.expiresAt, world.clock.now())],
      file === undefined ? ["Token", token] : ["Written to", file],
    ],
    file === undefined ? created : { ...rest, file },
  );
  const tokenFile = file ?? "<file>";
  output.note(
    `The old agent is refused from now on; apps go on. In the fabric: drawbridge-agent activate --replace --token-file ${tokenFile}`,
  );
}

function usage(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "COMMAND_LINE_INVALID", message });
}
