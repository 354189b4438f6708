import { DrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import { z } from "zod";
import { listAll } from "../api/paging.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { readSecret } from "../files/read-secret.ts";
import { formatTime } from "../output/format.ts";
import { outputOption } from "./options.ts";

const bindingSchema = z.object({ role: z.string(), environment: z.string() });
const userSchema = z.object({ username: z.string(), bindings: z.array(bindingSchema), createdAt: z.string() });

export function userCommand(world: CommandWorld): Command {
  const user = new Command("user").description("users, their roles and passwords");
  user
    .command("list")
    .description("list users and their roles")
    .addOption(outputOption())
    .action(async (options: OutputOptions) => {
      const rows = await withApi(world, (api) => listAll(api, "/v1/users", userSchema));
      outputOf(world, options).list(
        [
          { title: "NAME", value: (row) => row.username },
          {
            title: "ROLES",
            value: (row) => row.bindings.map(({ role, environment }) => `${role}@${environment}`).join(",") || "-",
          },
          { title: "CREATED", value: (row) => formatTime(row.createdAt) },
        ],
        rows,
        { empty: "no users" },
      );
    });
  user
    .command("create")
    .description("create a user")
    .argument("<name>", "user name")
    .requiredOption("--password-file <file>", 'file that holds the password, "-" for standard input')
    .option("--role <role@environment...>", 'for example operator@production, viewer@"*"', [])
    .addOption(outputOption())
    .action(async (username: string, options: OutputOptions & { passwordFile: string; role: string[] }) => {
      const bindings = options.role.map(parseBinding);
      const password = await readSecret(world, options.passwordFile, "--password-file");
      const created = await withApi(world, (api) =>
        api.call("/v1/users", userSchema, { method: "POST", body: { username, password, bindings } }),
      );
      outputOf(world, options).done(`user ${username} is created`, created);
    });
  user
    .command("roles")
    .description("replace a user's roles")
    .argument("<name>", "user name")
    .argument("[roles...]", "role@environment; none takes all away")
    .addOption(outputOption())
    .action(async (username: string, roles: string[], options: OutputOptions) => {
      const bindings = roles.map(parseBinding);
      const changed = await withApi(world, (api) =>
        api.call(`${userPath(username)}/roles`, userSchema, { method: "PUT", body: { bindings } }),
      );
      outputOf(world, options).done(`roles of ${username} are replaced`, changed);
    });
  user.addCommand(passwordCommand(world));
  user
    .command("delete")
    .description("delete a user; its sessions and API tokens end at once")
    .argument("<name>", "user name")
    .addOption(outputOption())
    .action(async (username: string, options: OutputOptions) => {
      await withApi(world, (api) => api.send(userPath(username), { method: "DELETE" }));
      outputOf(world, options).done(`user ${username} is deleted`, { username, deleted: true });
    });
  return user;
}

interface PasswordOptions extends OutputOptions {
  readonly passwordFile?: string;
  readonly currentPasswordFile?: string;
}

function passwordCommand(world: CommandWorld): Command {
  return new Command("password")
    .description("change a password, your own or, as administrator, somebody else's; ends that user's sessions")
    .argument("[name]", "user name (default: yours)")
    .option(
      "--password-file <file>",
      'file that holds the new password, "-" for standard input; asked for if not given',
    )
    .option(
      "--current-password-file <file>",
      'file that holds your present password, for your own, "-" for standard input; asked for if not given',
    )
    .addOption(outputOption())
    .action((name: string | undefined, options: PasswordOptions) => changePassword(world, name, options));
}

async function changePassword(world: CommandWorld, name: string | undefined, options: PasswordOptions): Promise<void> {
  if (options.passwordFile === "-" && options.currentPasswordFile === "-") throw oneInput();
  await withApi(world, async (api, { context }) => {
    const username = name ?? context.username;
    const isOwn = username === context.username;
    const currentPassword = isOwn
      ? await secretFrom(world, options.currentPasswordFile, {
          option: "--current-password-file",
          question: `Present password of ${username}`,
        })
      : undefined;
    const newPassword = await newPasswordFrom(world, username, options.passwordFile);
    await api.send(`${userPath(username)}/password`, {
      method: "PUT",
      body: { newPassword, ...(currentPassword === undefined ? {} : { currentPassword }) },
    });
    // The server has ended this login with all others of the user.
    if (isOwn) await world.contextFile.remove();
    outputOf(world, options).done(
      `the password of ${username} is changed${isOwn ? '; log in again with "drawbridge login"' : ", and every session of it has ended"}`,
      { username, changed: true, loggedOut: isOwn },
    );
  });
}

async function secretFrom(
  world: CommandWorld,
  file: string | undefined,
  { option, question }: { readonly option: string; readonly question: string },
): Promise<string> {
  return file === undefined ? world.askSecret(question) : readSecret(world, file, option);
}

/** At a terminal twice: nobody sees what he types. */
async function newPasswordFrom(world: CommandWorld, username: string, file: string | undefined): Promise<string> {
  if (file !== undefined) return readSecret(world, file, "--password-file");
  const first = await world.askSecret(`New password of ${username}`);
  if (first === (await world.askSecret("The same again"))) return first;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "PASSWORDS_DIFFER",
    message: "the two new passwords are not the same; nothing was changed",
  });
}

function oneInput(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "STANDARD_INPUT_TWICE",
    message: "standard input can hold one password, not both; give a file for one of them",
  });
}

function userPath(username: string): string {
  return `/v1/users/${encodeURIComponent(username)}`;
}

function parseBinding(text: string): { role: string; environment: string } {
  const match = /^(administrator|operator|viewer)@(\*|[a-z0-9-]+)$/.exec(text);
  if (match?.[1] !== undefined && match[2] !== undefined) return { role: match[1], environment: match[2] };
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "ROLE_INVALID",
    message: `"${text}" is not role@environment; roles are administrator, operator and viewer, for example operator@production`,
  });
}
