import { resolve } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import { z } from "zod";
import { listAll } from "../api/paging.ts";
import { auditEntrySchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { readGivenFile } from "../files/given-file.ts";
import { writeNewPrivateFile } from "../files/new-private-file.ts";
import { formatTime } from "../output/format.ts";
import { outputOption, wholeNumber } from "./options.ts";

interface OutputChoice {
  readonly output?: "table" | "json";
}

const environmentSchema = z.object({ name: z.string(), createdAt: z.string() });
const bindingSchema = z.object({ role: z.string(), environment: z.string() });
const userSchema = z.object({ username: z.string(), bindings: z.array(bindingSchema), createdAt: z.string() });
const apiTokenSchema = z.object({
  tokenId: z.string(),
  description: z.string().nullish(),
  username: z.string(),
  expiresAt: z.string(),
  lastUsedAt: z.string().nullish(),
});
const newApiTokenSchema = z.object({ tokenId: z.string(), token: z.string(), expiresAt: z.string() });

/** Users, environments, API tokens and the audit log: what administrators see to. */
export function administrationCommands(world: CommandWorld): readonly Command[] {
  return [environmentCommand(world), userCommand(world), apiTokenCommand(world), auditCommand(world)];
}

function environmentCommand(world: CommandWorld): Command {
  const environment = new Command("environment").description(
    "environments: names that apps are grouped and rights are given by",
  );
  environment
    .command("list")
    .description("list environments")
    .addOption(outputOption())
    .action(async (options: OutputChoice) => {
      const rows = await withApi(world, (api) => listAll(api, "/v1/environments", environmentSchema));
      outputOf(world, options).list(
        [
          { title: "NAME", value: (row) => row.name },
          { title: "CREATED", value: (row) => formatTime(row.createdAt) },
        ],
        rows,
        { empty: "no environments" },
      );
    });
  environment
    .command("create")
    .description("create an environment")
    .argument("<name>", "name, lower-case letters, digits and hyphens")
    .action(async (name: string) => {
      await withApi(world, (api) => api.send("/v1/environments", { method: "POST", body: { name } }));
      outputOf(world, {}).note(`environment ${name} is created`);
    });
  return environment;
}

function userCommand(world: CommandWorld): Command {
  const user = new Command("user").description("users and their roles");
  user
    .command("list")
    .description("list users and their roles")
    .addOption(outputOption())
    .action(async (options: OutputChoice) => {
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
    .action(async (username: string, options: { passwordFile: string; role: string[] }) => {
      const bindings = options.role.map(parseBinding);
      const password = await passwordFrom(world, options.passwordFile);
      await withApi(world, (api) => api.send("/v1/users", { method: "POST", body: { username, password, bindings } }));
      outputOf(world, {}).note(`user ${username} is created`);
    });
  user
    .command("roles")
    .description("replace a user's roles")
    .argument("<name>", "user name")
    .argument("[roles...]", "role@environment; none takes all away")
    .action(async (username: string, roles: string[]) => {
      const bindings = roles.map(parseBinding);
      await withApi(world, (api) =>
        api.send(`/v1/users/${encodeURIComponent(username)}/roles`, { method: "PUT", body: { bindings } }),
      );
      outputOf(world, {}).note(`roles of ${username} are replaced`);
    });
  user
    .command("delete")
    .description("delete a user; its sessions and API tokens end at once")
    .argument("<name>", "user name")
    .action(async (username: string) => {
      await withApi(world, (api) => api.send(`/v1/users/${encodeURIComponent(username)}`, { method: "DELETE" }));
      outputOf(world, {}).note(`user ${username} is deleted`);
    });
  return user;
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

async function passwordFrom(world: CommandWorld, file: string): Promise<string> {
  if (file === "-") return (await world.readInput()).replace(/\r?\n$/, "");
  return (await readGivenFile(resolve(world.workingDirectory, file), "--password-file")).replace(/\r?\n$/, "");
}

function apiTokenCommand(world: CommandWorld): Command {
  const token = new Command("api-token").description("API tokens: logins of scripts");
  token
    .command("create")
    .description("make a token for a script, with your own rights")
    .requiredOption("--out <file>", "new file for the token, readable only by you")
    .option("--description <text>", "what it is for", "")
    .option("--days <number>", "life, 1 to 365", wholeNumber(1, 365), 90)
    .action(async (options: { out: string; description: string; days: number }) => {
      const path = resolve(world.workingDirectory, options.out);
      const created = await writeNewPrivateFile(path, async () => {
        const result = await withApi(world, (api) =>
          api.call("/v1/api-tokens", newApiTokenSchema, {
            method: "POST",
            body: { description: options.description, ttlDays: options.days },
          }),
        );
        return { text: `${result.token}\n`, result };
      });
      outputOf(world, {}).note(`token ${created.tokenId} is in ${path}, valid until ${formatTime(created.expiresAt)}`);
    });
  token
    .command("list")
    .description("list API tokens")
    .addOption(outputOption())
    .action(async (options: OutputChoice) => {
      const rows = await withApi(world, (api) => listAll(api, "/v1/api-tokens", apiTokenSchema));
      outputOf(world, options).list(
        [
          { title: "ID", value: (row) => row.tokenId },
          { title: "USER", value: (row) => row.username },
          { title: "FOR", value: (row) => row.description || "-" },
          { title: "EXPIRES", value: (row) => formatTime(row.expiresAt) },
          { title: "LAST USED", value: (row) => formatTime(row.lastUsedAt) },
        ],
        rows,
        { empty: "no API tokens" },
      );
    });
  token
    .command("revoke")
    .description("revoke a token at once")
    .argument("<id>", "id of the token, from list")
    .action(async (id: string) => {
      await withApi(world, (api) => api.send(`/v1/api-tokens/${encodeURIComponent(id)}`, { method: "DELETE" }));
      outputOf(world, {}).note(`token ${id} is revoked`);
    });
  return token;
}

function auditCommand(world: CommandWorld): Command {
  const audit = new Command("audit").description("the audit log: who did what, and what was refused");
  audit
    .command("list")
    .description("list what happened, newest first")
    .option("--limit <number>", "newest entries", wholeNumber(1, 500), 50)
    .addOption(outputOption())
    .action(async (options: OutputChoice & { limit: number }) => {
      const page = await withApi(world, (api) =>
        api.call("/v1/audit", z.object({ items: z.array(auditEntrySchema) }), { query: { limit: options.limit } }),
      );
      outputOf(world, options).list(
        [
          { title: "SEQ", value: (row) => String(row.seq), align: "right" },
          { title: "AT", value: (row) => formatTime(row.at) },
          { title: "ACTOR", value: (row) => row.actor },
          { title: "ACTION", value: (row) => row.action },
          { title: "TARGET", value: (row) => row.target || "-" },
          { title: "RESULT", value: (row) => (row.errorCode ? `${row.result} ${row.errorCode}` : row.result) },
        ],
        page.items,
        { empty: "nothing yet" },
      );
    });
  return audit;
}
