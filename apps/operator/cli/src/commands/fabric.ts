import { resolve } from "node:path";
import { Command } from "commander";
import { listAll } from "../api/paging.ts";
import {
  deletedFabricSchema,
  fabricSchema,
  fabricTokenSchema,
  type NewFabricToken,
  newFabricTokenSchema,
} from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { writeNewPrivateFile } from "../files/new-private-file.ts";
import { formatTime } from "../output/format.ts";
import type { Output } from "../output/output.ts";
import { fabricPath } from "./fabric-path.ts";
import { fabricRecoverCommand } from "./fabric-recover.ts";
import { fabricShowCommand } from "./fabric-show.ts";
import { commaSeparated, outputOption, wholeNumber } from "./options.ts";

interface OutputChoice {
  readonly output?: "table" | "json";
}

export function fabricCommand(world: CommandWorld): Command {
  const fabric = new Command("fabric").description("fabrics: the clusters that apps run in");
  fabric.addCommand(tokenCommand(world));
  fabric
    .command("list")
    .description("list fabrics")
    .addOption(outputOption())
    .action(async (options: OutputChoice) => {
      const fabrics = await withApi(world, (api) => listAll(api, "/v1/fabrics", fabricSchema));
      outputOf(world, options).list(
        [
          { title: "NAME", value: (row) => row.name },
          { title: "STATE", value: (row) => row.state },
          { title: "ENVIRONMENTS", value: (row) => row.environments.join(",") },
          { title: "REGION", value: (row) => row.region || "-" },
          { title: "AGENT", value: (row) => row.cluster?.agentVersion ?? "-" },
          { title: "APPS", value: (row) => String(row.appCount), align: "right" },
          { title: "LAST SEEN", value: (row) => formatTime(row.lastSeenAt) },
        ],
        fabrics,
        { empty: 'no fabrics yet; "drawbridge fabric token create <name>" begins one' },
      );
    });
  fabric.addCommand(fabricShowCommand(world));
  fabric.addCommand(fabricRecoverCommand(world));
  fabric
    .command("delete")
    .description(
      "delete a fabric: closes its tunnel and revokes its certificates; its apps go on running until they are stopped in the fabric",
    )
    .argument("<fabric>", "name or id")
    .option("--force", "delete it although apps are deployed to it")
    .addOption(outputOption())
    .action(async (name: string, options: OutputChoice & { force?: boolean }) => {
      const deleted = await withApi(world, (api) =>
        api.call(fabricPath(name), deletedFabricSchema, {
          method: "DELETE",
          query: { force: options.force },
        }),
      );
      outputOf(world, options).done(`fabric ${name} is deleted`, deleted);
    });
  return fabric;
}

interface TokenCreateOptions extends OutputChoice {
  readonly environment?: string[];
  readonly region?: string;
  readonly ttl?: number;
  readonly from?: string[];
  readonly out?: string;
}

function tokenCommand(world: CommandWorld): Command {
  const token = new Command("token").description("activation tokens: single-use, they turn an agent into a fabric");
  token
    .command("create")
    .description("make a token for a fabric; the fabric is created if it does not exist")
    .argument("<fabric>", "name of the fabric")
    .option(
      "-e, --environment <name...>",
      "environments whose apps may run there, added to those of the fabric (default: none; a new fabric then runs production)",
    )
    .option("--region <text>", "region, shown only")
    .option("--ttl <seconds>", "life of the token, 300 to 86400 (default: 1800)", wholeNumber(300, 86_400))
    .option(
      "--from <networks>",
      'only from these networks, as the control plane sees the agent: "10.0.0.0/8,2001:db8::/32" (default: from anywhere)',
      commaSeparated,
    )
    .option("--out <file>", "write the token to a new file that only you can read, instead of printing it")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExample:\n  drawbridge fabric token create plant-7 -e production --out token\n  drawbridge-agent activate --token-file token",
    )
    .action((name: string, options: TokenCreateOptions) => createToken(world, name, options));
  token
    .command("list")
    .description("list tokens, newest first; their secrets are not stored anywhere")
    .option("--fabric <name>", "only this fabric's")
    .addOption(outputOption())
    .action(async (options: OutputChoice & { fabric?: string }) => {
      const tokens = await withApi(world, (api) =>
        listAll(api, "/v1/fabric-tokens", fabricTokenSchema, { fabric: options.fabric }),
      );
      outputOf(world, options).list(
        [
          { title: "ID", value: (row) => row.tokenId },
          { title: "FABRIC", value: (row) => row.fabric },
          { title: "STATE", value: (row) => row.state },
          { title: "EXPIRES", value: (row) => formatTime(row.expiresAt) },
          { title: "BY", value: (row) => row.createdBy },
          { title: "FROM", value: (row) => row.allowedNetworks.join(",") || "anywhere" },
          { title: "REFUSED USES", value: (row) => String(row.refusedUses), align: "right" },
        ],
        tokens,
        { empty: "no tokens" },
      );
    });
  token
    .command("revoke")
    .description("revoke a token that was not used")
    .argument("<token-id>", "id of the token, from list")
    .addOption(outputOption())
    .action(async (tokenId: string, options: OutputChoice) => {
      const revoked = await withApi(world, (api) =>
        api.call(`/v1/fabric-tokens/${encodeURIComponent(tokenId)}`, fabricTokenSchema, { method: "DELETE" }),
      );
      outputOf(world, options).done(`token ${tokenId} is revoked`, revoked);
    });
  return token;
}

async function createToken(world: CommandWorld, name: string, options: TokenCreateOptions): Promise<void> {
  const create = (): Promise<NewFabricToken> =>
    withApi(world, (api) =>
      api.call("/v1/fabric-tokens", newFabricTokenSchema, {
        method: "POST",
        body: {
          fabric: name,
          ...(options.environment === undefined ? {} : { environments: options.environment }),
          ...(options.region === undefined ? {} : { region: options.region }),
          ...(options.ttl === undefined ? {} : { ttlSeconds: options.ttl }),
          ...(options.from === undefined ? {} : { allowedNetworks: options.from }),
        },
      }),
    );
  const output = outputOf(world, options);
  if (options.out !== undefined) {
    const path = resolve(world.workingDirectory, options.out);
    const created = await writeNewPrivateFile(path, async () => {
      const result = await create();
      return { text: `${result.token}\n`, result };
    });
    const { token: _secret, ...rest } = created;
    output.fields(
      [...tokenFields(created), ["Written to", path], ["Next", `drawbridge-agent activate --token-file ${path}`]],
      { ...rest, file: path },
    );
    noteDefault(output, created, options);
    return;
  }
  const created = await create();
  output.fields([...tokenFields(created), ["Token", created.token]], created);
  noteDefault(output, created, options);
  output.note(
    "The token is shown only now. Put it into a file in the fabric and run: drawbridge-agent activate --token-file <file>",
  );
}

function tokenFields(token: NewFabricToken): [string, string][] {
  return [
    ["Fabric", `${token.fabric} (${token.created ? "new" : "as it was"})`],
    ["Environments", token.environments.join(", ")],
    ["Token id", token.tokenId],
    ["Valid until", formatTime(token.expiresAt)],
  ];
}

function noteDefault(output: Output, token: NewFabricToken, options: TokenCreateOptions): void {
  if (!token.created || options.environment !== undefined) return;
  output.note(
    `fabric ${token.fabric} is new and runs ${token.environments.join(", ")}, because no --environment was given; another token with -e <name> adds more`,
  );
}
