import { Command } from "commander";
import { listAll } from "../api/paging.ts";
import { type App, appSchema, type Gate, gateSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { agreeingGates, countGates } from "./agreeing-gates.ts";
import { appPath } from "./app-path.ts";
import { gateLevelsCommand } from "./gatekeeper-levels.ts";
import { environmentOption, outputOption } from "./options.ts";

interface ListOptions {
  readonly environment?: string;
  readonly fabric?: string;
  readonly app?: string;
  readonly output?: "table" | "json";
}

/** `drawbridge gate ...` */
export function gateCommand(world: CommandWorld): Command {
  const gate = new Command("gate").description("gates: whether requests reach tracked APIs, and why not");
  gate
    .command("list")
    .description("list the gates of tracked APIs")
    .option("-e, --environment <name>", "only this environment's")
    .option("-f, --fabric <name>", "only this fabric's")
    .option("-a, --app <name>", "only this app's")
    .addOption(outputOption())
    .action(async (options: ListOptions) => {
      const { environment, fabric, app } = options;
      const gates = await withApi(world, (api) => listAll(api, "/v1/gates", gateSchema, { environment, fabric, app }));
      outputOf(world, options).list(
        [
          { title: "APP", value: (row) => row.app ?? "" },
          { title: "ENVIRONMENT", value: (row) => row.environment ?? "" },
          { title: "API", value: nameOfApi },
          { title: "GATEWAY", value: (row) => row.gatewayId },
          { title: "STATE", value: stateOf },
          { title: "SINCE", value: (row) => formatTime(row.since) },
          { title: "LEVEL", value: (row) => `${row.level} (${row.levelSource})` },
          { title: "REASON", value: (row) => row.reason || row.warnings.join(", ") || "-" },
        ],
        options.output === "json" ? gates : agreeingGates(gates),
        { empty: "no gates: no app that runs declares APIs in its manifest, or no gateway has reported yet" },
      );
    });
  gate.addCommand(gateLevelsCommand(world));
  gate
    .command("explain")
    .description("say of each gate of an app how it stands, why, and what to do")
    .argument("<app>", "name")
    .addOption(environmentOption())
    .addOption(outputOption())
    .action(async (name: string, options: { readonly environment: string; readonly output?: "table" | "json" }) => {
      const app = await withApi(world, (api) => api.call(appPath(options.environment, name), appSchema));
      const output = outputOf(world, options);
      const gates = app.status?.gates ?? [];
      output.fields(
        [
          ["App", `${app.name} in ${app.environment} on ${app.fabric}`],
          ["Gates", gatesInShort(app)],
        ],
        gates,
      );
      for (const line of agreeingGates(gates).flatMap(explain)) output.text(line);
    });
  return gate;
}

/** "2 of 3 open", or why there is none. */
export function gatesInShort({ status, statusCurrent, manifest }: App): string {
  const gates = status?.gates ?? [];
  const known = statusCurrent ? "" : " (last known: the fabric is not connected)";
  const { open, all } = countGates(gates);
  if (all > 0) return `${open} of ${all} open${known}`;
  if ((manifest?.apis?.length ?? 0) === 0) return "none: its manifest declares no APIs, so that it is not tracked";
  return `none reported yet${known}: "drawbridge app show" says whether the gateway runs`;
}

function nameOfApi(gate: Gate): string {
  return `${gate.apiName} ${gate.apiVersion} at ${gate.basePath}`;
}

function stateOf(gate: Gate): string {
  return `${gate.state}${gate.blocked ? " (blocked)" : ""}${gate.statusCurrent === false ? " (last known)" : ""}`;
}

function explain(gate: Gate): string[] {
  const revisions =
    gate.appliedRevision === 0
      ? "no policies are enforced"
      : `revision ${gate.appliedRevision} is enforced: ${gate.policies} policies, ${gate.contracts} contracts`;
  const wanted =
    gate.desiredRevision > 0 && gate.desiredRevision !== gate.appliedRevision
      ? `; revision ${gate.desiredRevision} should be`
      : "";
  const advice = remedies[gate.reason];
  return [
    "",
    nameOfApi(gate),
    `  State    ${stateOf(gate)} since ${formatTime(gate.since)}, says ${gate.gatewayId}`,
    `  Level    ${gate.level}, from ${gate.levelSource}`,
    `  Policies ${revisions}${wanted}`,
    ...gate.warnings.map((warning) => `  Warning  ${warning}: everybody passes`),
    ...(gate.reason === "" && gate.message === "" ? [] : [`  Why      ${gate.message || gate.reason}`]),
    ...(advice === undefined ? [] : [`  To do    ${advice}`]),
  ];
}

/** By the stable code of a gate's reason. */
const remedies: Readonly<Record<string, string>> = {
  LINK_DOWN:
    'bring the fabric\'s agent back to the control plane ("drawbridge fabric show"); a strict gate opens only then, a flexible one also from its cache',
  ROOT_MISSING: 'wait a few seconds; if it stays, see whether api-manager is ready ("drawbridge doctor")',
  OBJECTS_MISSING: "wait a few seconds: the gateway fetches what is missing through the agent",
  CONTRACTS_MISSING: "wait a few seconds: the gateway fetches the contracts through the agent",
  POLICY_INVALID: "correct or remove the policy that is named; the API opens again by itself, without a restart",
  API_UNKNOWN:
    "make the API instance with the name and version of the manifest, or correct the manifest and deploy again",
};
