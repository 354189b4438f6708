import { resolve } from "node:path";
import { Command } from "commander";
import { listAll } from "../api/paging.ts";
import { type FabricToken, fabricTokenSchema, type NewFabricToken, newFabricTokenSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { writeNewPrivateFile } from "../files/new-private-file.ts";
import { formatTime } from "../output/format.ts";
import type { Output } from "../output/output.ts";
import { commaSeparated, outputOption, wholeNumber } from "./options.ts";

interface OutputChoice {
  readonly output?: "table" | "json";
}

interface TokenCreateOptions extends OutputChoice {
  readonly environment?: string[];
  readonly region?: string;
  readonly ttl?: number;
  readonly from?: string[];
  readonly requireApproval?: boolean;
  readonly key?: string;
  readonly out?: string;
}

export function fabricTokenCommand(world: CommandWorld): Command {
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
    .option("--key <hex>", "only for the agent with this key: what drawbridge-agent key prints (default: any)")
    .option(
      "--require-approval",
      "the agent waits until somebody else has approved its key: fabric token approve (default: it does not)",
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
          { title: "STATE", value: stateOf },
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
    .command("show")
    .description("show a token, and which agents wait for approval with it")
    .argument("<token-id>", "id of the token, from list")
    .addOption(outputOption())
    .action(async (tokenId: string, options: OutputChoice) => {
      const shown = await withApi(world, (api) => api.call(tokenPath(tokenId), fabricTokenSchema));
      const output = outputOf(world, options);
      output.fields(shownFields(shown), shown);
      if (stateOf(shown) === "waits for approval") {
        output.note(
          `Compare the key with the one that the agent shows. Then somebody else than ${shown.createdBy}: drawbridge fabric token approve ${tokenId} --key <key>`,
        );
      }
    });
  token
    .command("approve")
    .description("let the agent with this key use the token; not for who made the token")
    .argument("<token-id>", "id of the token, from list")
    .requiredOption("--key <hex>", "key of the agent: compare it with the one that the agent itself shows")
    .addOption(outputOption())
    .action(async (tokenId: string, options: OutputChoice & { key: string }) => {
      const approved = await withApi(world, (api) =>
        api.call(`${tokenPath(tokenId)}/approve`, fabricTokenSchema, {
          method: "POST",
          body: { keySha256: options.key.toLowerCase() },
        }),
      );
      const text = `the agent with the key ${approved.approvedKeySha256} may use token ${tokenId}; it goes on by itself`;
      outputOf(world, options).done(text, approved);
    });
  token
    .command("revoke")
    .description("revoke a token that was not used")
    .argument("<token-id>", "id of the token, from list")
    .addOption(outputOption())
    .action(async (tokenId: string, options: OutputChoice) => {
      const revoked = await withApi(world, (api) =>
        api.call(tokenPath(tokenId), fabricTokenSchema, { method: "DELETE" }),
      );
      outputOf(world, options).done(`token ${tokenId} is revoked`, revoked);
    });
  return token;
}

function tokenPath(tokenId: string): string {
  return `/v1/fabric-tokens/${encodeURIComponent(tokenId)}`;
}

/** With who it waits for. */
function stateOf(token: FabricToken): string {
  if (token.state !== "unused" || !token.requiresApproval) return token.state;
  if (token.approvedBy !== "") return "approved";
  return token.applicants.length === 0 ? "unused" : "waits for approval";
}

function shownFields(token: FabricToken): [string, string][] {
  return [
    ["Fabric", token.fabric],
    ["State", stateOf(token)],
    ["Made", `${formatTime(token.createdAt)} by ${token.createdBy}`],
    ["Valid until", formatTime(token.expiresAt)],
    ["From", token.allowedNetworks.join(", ") || "anywhere"],
    ["Key", token.keySha256 || "any"],
    ["Needs approval", token.requiresApproval ? "yes, by somebody else than its maker" : "no"],
    ...(token.approvedBy === ""
      ? []
      : [["Approved", `${formatTime(token.approvedAt)} by ${token.approvedBy}: ${token.approvedKeySha256}`] as const]),
    ["Agent", token.agentId || "-"],
    ["Refused uses", String(token.refusedUses)],
    ...token.applicants.map(
      ({ keySha256, address, agentVersion, firstAskedAt, lastAskedAt }) =>
        [
          "Asks",
          `key ${keySha256} from ${address}, agent ${agentVersion}, ${formatTime(firstAskedAt)} to ${formatTime(lastAskedAt)}`,
        ] as const,
    ),
  ].map(([title, value]) => [title, value]);
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
          ...(options.key === undefined ? {} : { keySha256: options.key.toLowerCase() }),
          ...(options.requireApproval ? { requiresApproval: true } : {}),
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
