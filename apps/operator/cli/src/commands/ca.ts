import { Command } from "commander";
import { DrawbridgeError } from "@drawbridge/errors";
import { type Authority, advancedSchema, authoritySchema, type Follower } from "../api/authority-types.ts";
import type { ApiClient } from "../api/client.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatInstant } from "../output/format-instant.ts";
import type { Output } from "../output/output.ts";
import { phaseText, showAuthority } from "./ca-status.ts";
import { confirmed, yesOption } from "./confirm.ts";
import { outputOption } from "./options.ts";
import { watchRotation } from "./watch-rotation.ts";

interface RotateOptions extends OutputOptions {
  readonly reason?: string;
  readonly force?: boolean;
  readonly yes?: boolean;
}

const path = "/v1/ca";

export function caCommand(world: CommandWorld): Command {
  const ca = new Command("ca").description("the certificate authority: its keys, and the rotation of its root");
  ca.command("status")
    .description("show keys, phase, and who has not followed yet")
    .option("--watch", "follow a rotation until it is over")
    .addOption(outputOption())
    .action((options: OutputOptions & { watch?: boolean }) =>
      withApi(world, async (api, connection) => {
        const output = outputOf(world, options);
        if (options.watch) await watchRotation({ world, api, output, refreshTrust: connection.refreshTrust });
        const authority = await api.call(path, authoritySchema);
        showAuthority(output, authority, world.clock.now());
      }),
    );
  ca.command("rotate")
    .description("replace the root CA, in phases that go on when everybody who is live has followed")
    .option("--reason <text>", "why, for the record")
    .option("--force", "go to the next phase of a rotation now, and leave behind who has not followed")
    .addOption(yesOption())
    .addOption(outputOption())
    .action((options: RotateOptions) =>
      withApi(world, (api) => (options.force ? force(world, api, options) : start(world, api, options))),
    );
  ca.command("advance")
    .description("go to the next phase now, without the grace time; refused while somebody live is behind")
    .addOption(outputOption())
    .action((options: OutputOptions) =>
      withApi(world, async (api) => {
        const before = await api.call(path, authoritySchema);
        assertRotating(before);
        tellOf(world, outputOf(world, options), await advance(api, before, "wait for everybody"));
      }),
    );
  ca.command("rollback")
    .description("go back to the old root")
    .option("--reason <text>", "why, for the record")
    .addOption(outputOption())
    .action((options: OutputOptions & { reason?: string }) =>
      withApi(world, async (api) => {
        const body = options.reason === undefined ? {} : { reason: options.reason };
        const after = await api.call(`${path}/rotation/rollback`, authoritySchema, { method: "POST", body });
        const output = outputOf(world, options);
        output.done(`the rotation goes back: ${phaseText(after.phase)}`, after);
        noteHowToWatch(output);
      }),
    );
  return ca;
}

async function start(world: CommandWorld, api: ApiClient, options: RotateOptions): Promise<void> {
  const body = options.reason === undefined ? {} : { reason: options.reason };
  const after = await api.call(`${path}/rotation`, authoritySchema, { method: "POST", body });
  const output = outputOf(world, options);
  output.done(`the rotation has begun: ${phaseText(after.phase)}`, after);
  output.note(
    `What happens now, without interruption for anybody:
  1. init            every agent and service learns the new root; ${nextPhaseText(after, world.clock.now())}
  2. update_clients  agents and collectors get certificates under the new root
  3. update_servers  the control plane's services do; then the old root leaves, and all is standby again`,
  );
  noteHowToWatch(output);
}

function nextPhaseText({ nextPhaseAt }: Authority, now: Date): string {
  return nextPhaseAt
    ? `the next phase begins at the earliest ${formatInstant(nextPhaseAt, now)}`
    : "then the next phase";
}

/** The phase in the request is the one whose list the operator saw: of another one nothing happens. */
async function force(world: CommandWorld, api: ApiClient, options: RotateOptions): Promise<void> {
  const output = outputOf(world, options);
  const before = await api.call(path, authoritySchema);
  assertRotating(before);
  const behind = before.followers.filter(({ live, missing }) => live && missing.length > 0);
  const names = namesOf(behind, before.waitingFor);
  const because =
    behind.length === 0
      ? `going on from ${before.phase} now skips the grace time for those who are away; nobody live is behind`
      : `going on from ${before.phase} now strands ${before.waitingFor} that are live and have not followed: ${names}. They lose their connection until they recover`;
  if (options.yes) output.note(because);
  await confirmed(world, {
    yes: options.yes,
    question: `${because}.\nGo on?`,
    because,
    details: { phase: before.phase, stranded: names },
  });
  tellOf(world, output, await advance(api, before, "leave behind"));
}

function advance(api: ApiClient, before: Authority, others: "wait for everybody" | "leave behind") {
  return api.call(`${path}/rotation/advance`, advancedSchema, {
    method: "POST",
    body: { fromPhase: before.phase, force: others === "leave behind" },
  });
}

function tellOf(
  world: CommandWorld,
  output: Output,
  after: { readonly authority: Authority; readonly stranded: readonly Follower[] },
): void {
  const { authority, stranded } = after;
  output.done(`the rotation is in its next phase: ${phaseText(authority.phase)}`, after);
  if (stranded.length > 0) {
    output.note(
      `left behind: ${namesOf(stranded, stranded.length)}; agents among them recover by themselves, "drawbridge fabric recover <fabric>" shows how`,
    );
  }
  if (authority.nextPhaseAt) {
    output.note(`the next phase begins at the earliest ${formatInstant(authority.nextPhaseAt, world.clock.now())}`);
  }
  noteHowToWatch(output);
}

const mostNames = 50;

function namesOf(followers: readonly Follower[], total: number): string {
  const shown = followers
    .slice(0, mostNames)
    .map(({ kind, name }) => (kind === "collector" ? `${name} (collector)` : name));
  const rest = Math.max(total, followers.length) - shown.length;
  return rest > 0 ? `${shown.join(", ")} and ${rest} more` : shown.join(", ");
}

function noteHowToWatch(output: Output): void {
  output.note(
    'watch it with "drawbridge ca status --watch"; "drawbridge ca rollback" goes back while the old root is there',
  );
}

function assertRotating({ phase }: Authority): void {
  if (phase !== "standby") return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "ROTATION_NOT_STARTED",
    message: 'no rotation is in progress; "drawbridge ca rotate" begins one',
  });
}
