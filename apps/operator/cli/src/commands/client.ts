import { resolve } from "node:path";
import { Command } from "commander";
import { type Client, clientSchema, newSecretSchema, revokedClientSchema } from "../api/apis-types.ts";
import { listAll } from "../api/paging.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { writeNewPrivateFile } from "../files/new-private-file.ts";
import { formatTime } from "../output/format.ts";
import { confirmed, yesOption } from "./confirm.ts";
import { outputOption, wholeNumber } from "./options.ts";

interface SecretOptions extends OutputOptions {
  readonly out?: string;
}

/** Client applications: who calls APIs. */
export function clientCommand(world: CommandWorld): Command {
  const client = new Command("client").description("client applications: who calls APIs, and with which secrets");
  for (const command of [create, list, show, rotate, revoke]) client.addCommand(command(world));
  return client;
}

const outFlags = "--out <file>";
const outText = "write the secret to a new file that only you can read, instead of printing it";

function create(world: CommandWorld): Command {
  return new Command("create")
    .description("register a client application; its secret is shown once")
    .argument("<name>", "name, unique in the organisation")
    .option("--description <text>", "what it is")
    .option(outFlags, outText)
    .addOption(outputOption())
    .action((name: string, options: SecretOptions & { description?: string }) => {
      const { description = "" } = options;
      return tellSecret(world, options, { path: "/v1/clients", body: { name, description } });
    });
}

function rotate(world: CommandWorld): Command {
  return new Command("rotate")
    .description("make a new secret, shown once; those before stay valid for the overlap")
    .argument("<client>", "client id or name")
    .option(
      "--overlap <seconds>",
      "how long the secrets before stay valid, 0 to 7776000 (default: 86400, a day)",
      wholeNumber(0, 7_776_000),
    )
    .option(outFlags, outText)
    .addOption(outputOption())
    .action((name: string, options: SecretOptions & { overlap?: number }) => {
      const body = options.overlap === undefined ? {} : { overlapSeconds: options.overlap };
      return tellSecret(world, options, { path: `${clientPath(name)}/rotate`, body });
    });
}

/** The secret goes to standard output or into a file, once. */
async function tellSecret(
  world: CommandWorld,
  options: SecretOptions,
  { path, body }: { readonly path: string; readonly body: unknown },
): Promise<void> {
  const make = () => withApi(world, (api) => api.call(path, newSecretSchema, { method: "POST", body }));
  const output = outputOf(world, options);
  if (options.out !== undefined) {
    const file = resolve(world.workingDirectory, options.out);
    const { client } = await writeNewPrivateFile(file, async () => {
      const result = await make();
      return { text: `${result.clientSecret}\n`, result };
    });
    output.fields([...fieldsOf(client), ["Secret", `written to ${file}`]], { client, file });
    return;
  }
  const made = await make();
  output.fields([...fieldsOf(made.client), ["Secret", made.clientSecret]], made);
  output.note("The secret is shown only now.");
}

function list(world: CommandWorld): Command {
  return new Command("list")
    .description("list client applications")
    .option("--revoked", "those that were revoked too")
    .addOption(outputOption())
    .action(async (options: OutputOptions & { revoked?: boolean }) => {
      const query = { revoked: options.revoked === true };
      const clients = await withApi(world, (api) => listAll(api, "/v1/clients", clientSchema, query));
      outputOf(world, options).list(
        [
          { title: "NAME", value: (row) => row.name },
          { title: "CLIENT ID", value: (row) => row.clientId },
          { title: "SECRETS", value: (row) => String(row.secrets.length), align: "right" },
          { title: "CONTRACTS", value: (row) => String(row.contracts), align: "right" },
          { title: "STATE", value: stateOf },
          { title: "MADE", value: (row) => `${formatTime(row.createdAt)} by ${row.createdBy}` },
        ],
        clients,
        { empty: 'no client applications; "drawbridge client create <name>" makes one' },
      );
    });
}

function show(world: CommandWorld): Command {
  return new Command("show")
    .description("show a client application; its secrets are not stored anywhere")
    .argument("<client>", "client id or name")
    .addOption(outputOption())
    .action(async (name: string, options: OutputOptions) => {
      const client = await withApi(world, (api) => api.call(clientPath(name), clientSchema));
      outputOf(world, options).fields(fieldsOf(client), client);
    });
}

function revoke(world: CommandWorld): Command {
  return new Command("revoke")
    .description("end a client application with its secrets and contracts, for ever")
    .argument("<client>", "client id or name")
    .addOption(yesOption())
    .addOption(outputOption())
    .action(async (name: string, options: OutputOptions & { yes?: boolean }) => {
      await confirmed(world, {
        yes: options.yes,
        question: `End "${name}" with all its contracts, for ever?`,
        because: `"${name}" would be refused by every API from then on`,
      });
      const gone = await withApi(world, (api) => api.call(clientPath(name), revokedClientSchema, { method: "DELETE" }));
      const text = `"${gone.client.name}" is revoked, and ${gone.revokedContracts} contract(s) with it`;
      outputOf(world, options).done(text, gone);
    });
}

function clientPath(name: string): string {
  return `/v1/clients/${encodeURIComponent(name)}`;
}

function stateOf(client: Client): string {
  return client.revokedAt === null ? "active" : "revoked";
}

function fieldsOf(client: Client): [string, string][] {
  return [
    ["Name", client.name],
    ["Client id", client.clientId],
    ["State", client.revokedAt === null ? "active" : `revoked ${formatTime(client.revokedAt)}`],
    ["Contracts", `${client.contracts} in force`],
    ...client.secrets.map(({ createdAt, notAfter }): [string, string] => [
      "Secret of",
      `${formatTime(createdAt)}, valid ${notAfter === null ? "until rotated" : `until ${formatTime(notAfter)}`}`,
    ]),
  ];
}
