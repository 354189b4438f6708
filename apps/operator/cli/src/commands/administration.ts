import { resolve } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import { z } from "zod";
import type { ApiClient } from "../api/client.ts";
import { listAll } from "../api/paging.ts";
import { auditEntrySchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { writeNewPrivateFile } from "../files/new-private-file.ts";
import { formatTime } from "../output/format.ts";
import { levelOf, listGatekeeperLevels } from "./gatekeeper-levels.ts";
import { gatekeeperOption, outputOption, wholeNumber } from "./options.ts";
import { setGatekeeper } from "./set-gatekeeper.ts";
import { userCommand } from "./user.ts";

interface OutputChoice {
  readonly output?: "table" | "json";
}

const environmentSchema = z.object({
  name: z.string(),
  description: z.string().default(""),
  createdAt: z.string(),
  createdBy: z.string().default("-"),
});
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
      const rows = await withApi(world, listEnvironments);
      outputOf(world, options).list(
        [
          { title: "NAME", value: (row) => row.name },
          { title: "GATEKEEPER", value: (row) => row.gatekeeper ?? "-" },
          { title: "CREATED", value: (row) => formatTime(row.createdAt) },
        ],
        rows,
        { empty: "no environments" },
      );
    });
  environment
    .command("show")
    .description("show one environment: what it is for, its gatekeeper level, when it was made and by whom")
    .argument("<name>", "name")
    .addOption(outputOption())
    .action(async (name: string, options: OutputChoice) => {
      const found = (await withApi(world, listEnvironments)).find((row) => row.name === name);
      if (!found) throw environmentNotFound(name);
      outputOf(world, options).fields(
        [
          ["Name", found.name],
          ["Description", found.description || "-"],
          ["Gatekeeper", found.gatekeeper ?? "not set: each app's fabric's, or the default of its runtime version"],
          ["Created", `${formatTime(found.createdAt)} by ${found.createdBy}`],
        ],
        found,
      );
    });
  environment
    .command("create")
    .description("create an environment")
    .argument("<name>", "name, lower-case letters, digits and hyphens")
    .addOption(outputOption())
    .action(async (name: string, options: OutputChoice) => {
      const created = await withApi(world, (api) =>
        api.call("/v1/environments", environmentSchema, { method: "POST", body: { name } }),
      );
      outputOf(world, options).done(`environment ${name} is created`, created);
    });
  environment
    .command("set")
    .description("change an environment's settings")
    .argument("<name>", "name")
    .addOption(gatekeeperOption().makeOptionMandatory())
    .addOption(outputOption())
    .action(async (name: string, options: OutputChoice & { gatekeeper: string }) => {
      const path = `/v1/environments/${encodeURIComponent(name)}/gatekeeper`;
      await setGatekeeper(world, { ...options, path, what: `environment ${name}`, level: options.gatekeeper });
    });
  return environment;
}

/** Each with its gatekeeper level; null for none. */
async function listEnvironments(api: ApiClient) {
  const environments = await listAll(api, "/v1/environments", environmentSchema);
  // Who has a role in none may not ask for levels.
  const levels = environments.length === 0 ? [] : await listGatekeeperLevels(api);
  return environments.map((one) =>
    Object.assign(one, { gatekeeper: levelOf(levels, "environment", one.name) || null }),
  );
}

function environmentNotFound(name: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "ENVIRONMENT_NOT_FOUND",
    message: `there is no environment "${name}", or you have no role in it`,
  });
}

function apiTokenCommand(world: CommandWorld): Command {
  const token = new Command("api-token").description("API tokens: logins of scripts");
  token
    .command("create")
    .description("make a token for a script, with your own rights")
    .requiredOption("--out <file>", "new file for the token, readable only by you")
    .option("--description <text>", "what it is for", "")
    .option("--days <number>", "life, 1 to 365", wholeNumber(1, 365), 90)
    .addOption(outputOption())
    .action(async (options: OutputChoice & { out: string; description: string; days: number }) => {
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
      const { token: _secret, ...rest } = created;
      outputOf(world, options).done(
        `token ${created.tokenId} is in ${path}, valid until ${formatTime(created.expiresAt)}`,
        { ...rest, file: path },
      );
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
    .addOption(outputOption())
    .action(async (id: string, options: OutputChoice) => {
      await withApi(world, (api) => api.send(`/v1/api-tokens/${encodeURIComponent(id)}`, { method: "DELETE" }));
      outputOf(world, options).done(`token ${id} is revoked`, { tokenId: id, revoked: true });
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
