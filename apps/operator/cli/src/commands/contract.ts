import { Command, Option } from "commander";
import { type Contract, contractSchema, deletedTierSchema, type Tier, tierSchema } from "../api/apis-types.ts";
import { listAll } from "../api/paging.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { type ApiRef, apiEnvironmentOption, apiPath, apiText, parseApiRef, withEnvironment } from "./api-ref.ts";
import { environmentOption, outputOption } from "./options.ts";
import { parseLimit } from "./tier-limit.ts";

interface OneApi extends OutputOptions {
  readonly environment: string;
}

/** SLA tiers of an API. */
export function tierCommand(world: CommandWorld): Command {
  const tier = new Command("tier").description("SLA tiers of an API: what a contract allows");
  tier
    .command("create")
    .description("make a tier, or change the one of this name")
    .argument("<api>", "name:version, or name:version@environment", parseApiRef)
    .argument("<name>", "name of the tier")
    .requiredOption("--limit <limit>", 'requests per time, "100/1m"; may be repeated, all of them hold', parseLimit)
    .option("--description <text>", "what it is")
    .addOption(
      new Option("--approve <how>", "contracts of this tier (default: as the API says)").choices([
        "automatic",
        "manual",
      ]),
    )
    .addOption(apiEnvironmentOption())
    .addOption(outputOption())
    .action(
      async (
        given: ApiRef,
        name: string,
        options: OneApi & { limit: unknown[]; description?: string; approve?: "automatic" | "manual" },
      ) => {
        const ref = withEnvironment(given, options.environment);
        const body = {
          limits: options.limit,
          ...(options.description === undefined ? {} : { description: options.description }),
          ...(options.approve === undefined ? {} : { autoApprove: options.approve === "automatic" }),
        };
        const path = `${apiPath(ref)}/tiers/${encodeURIComponent(name)}`;
        const saved = await withApi(world, (api) => api.call(path, tierSchema, { method: "PUT", body }));
        outputOf(world, options).done(`tier "${saved.name}" of ${apiText(ref)} is saved`, saved);
      },
    );
  tier
    .command("list")
    .description("list the tiers of an API")
    .argument("<api>", "name:version, or name:version@environment", parseApiRef)
    .addOption(apiEnvironmentOption())
    .addOption(outputOption())
    .action(async (given: ApiRef, options: OneApi) => {
      const path = `${apiPath(withEnvironment(given, options.environment))}/tiers`;
      const tiers = await withApi(world, (api) => listAll(api, path, tierSchema));
      outputOf(world, options).list(
        [
          { title: "TIER", value: (row) => row.name },
          { title: "LIMITS", value: limitsOf },
          { title: "APPROVAL", value: approvalOf },
          { title: "CONTRACTS", value: (row) => String(row.contracts), align: "right" },
        ],
        tiers,
        { empty: "no tiers" },
      );
    });
  tier
    .command("delete")
    .description("delete a tier that no contract asks for or has in force")
    .argument("<api>", "name:version, or name:version@environment", parseApiRef)
    .argument("<name>", "name of the tier")
    .addOption(apiEnvironmentOption())
    .addOption(outputOption())
    .action(async (given: ApiRef, name: string, options: OneApi) => {
      const ref = withEnvironment(given, options.environment);
      const path = `${apiPath(ref)}/tiers/${encodeURIComponent(name)}`;
      const gone = await withApi(world, (api) => api.call(path, deletedTierSchema, { method: "DELETE" }));
      outputOf(world, options).done(`tier "${name}" of ${apiText(ref)} is deleted`, gone);
    });
  return tier;
}

function limitsOf({ limits }: Tier): string {
  return limits.map(({ requests, periodMs }) => `${requests} per ${periodMs / 1_000} s`).join(", ");
}

function approvalOf({ autoApprove }: Tier): string {
  if (autoApprove === null) return "as the API says";
  return autoApprove ? "automatic" : "manual";
}

/** Contracts: who may call which API. */
export function contractCommand(world: CommandWorld): Command {
  const contract = new Command("contract").description("contracts: which client application may call which API");
  contract
    .command("request")
    .description("ask for access to an API; approved at once where its tier or the API says so")
    .argument("<api>", "name:version, or name:version@environment", parseApiRef)
    .argument("<client>", "client id or name")
    .option("--tier <name>", "tier; an API that has tiers wants one")
    .addOption(apiEnvironmentOption())
    .addOption(outputOption())
    .action(async (given: ApiRef, client: string, options: OneApi & { tier?: string }) => {
      const ref = withEnvironment(given, options.environment);
      const body = { client, ...(options.tier === undefined ? {} : { tier: options.tier }) };
      const made = await withApi(world, (api) =>
        api.call(`${apiPath(ref)}/contracts`, contractSchema, { method: "POST", body }),
      );
      outputOf(world, options).done(`contract ${made.contractId} with ${apiText(ref)} is ${made.state}`, made);
    });
  contract
    .command("list")
    .description("list contracts, newest first")
    .addOption(new Option("--api <api>", "only with this API: name:version@environment").argParser(parseApiRef))
    .option("--client <client>", "only of this client id or name")
    .addOption(
      new Option("--state <state>", "only in this state").choices(["requested", "approved", "rejected", "revoked"]),
    )
    .option("-e, --environment <name>", "only this environment's")
    .addOption(outputOption())
    .action(
      async (options: OutputOptions & { api?: ApiRef; client?: string; state?: string; environment?: string }) => {
        const ref = options.api && withEnvironment(options.api, options.environment ?? "production");
        const query = {
          api: ref?.name,
          version: ref?.version,
          environment: ref?.environment ?? options.environment,
          client: options.client,
          state: options.state,
        };
        const contracts = await withApi(world, (api) => listAll(api, "/v1/contracts", contractSchema, query));
        outputOf(world, options).list(columns, contracts, { empty: "no contracts" });
      },
    );
  contract.addCommand(
    decision("approve", "approve a contract that was requested")
      .option("--tier <name>", "another tier than the one asked for")
      .action((id: string, options: OneApi & { tier?: string }) =>
        decide(world, { id, verb: "approve", options, body: options.tier === undefined ? {} : { tier: options.tier } }),
      ),
  );
  for (const verb of ["reject", "revoke"] as const) {
    contract.addCommand(
      decision(
        verb,
        verb === "reject"
          ? "reject a contract that was requested"
          : "revoke a contract; gateways refuse its client within seconds",
      )
        .option("--reason <text>", "why, for the record")
        .action((id: string, options: OneApi & { reason?: string }) =>
          decide(world, { id, verb, options, body: options.reason === undefined ? {} : { reason: options.reason } }),
        ),
    );
  }
  contract.addCommand(
    decision("tier", "give a contract in force another tier")
      .argument("<tier>", "name of the tier")
      .action((id: string, tier: string, options: OneApi) =>
        decide(world, { id, verb: "tier", options, body: { tier } }),
      ),
  );
  return contract;
}

const columns = [
  { title: "ID", value: (row: Contract) => row.contractId },
  { title: "API", value: (row: Contract) => `${row.api}:${row.version}@${row.environment}` },
  { title: "CLIENT", value: (row: Contract) => row.clientName },
  { title: "TIER", value: (row: Contract) => row.tier || "-" },
  { title: "STATE", value: (row: Contract) => row.state },
  { title: "SINCE", value: (row: Contract) => formatTime(row.decidedAt ?? row.requestedAt) },
];

function decision(verb: string, description: string): Command {
  return new Command(verb)
    .description(description)
    .argument("<contract-id>", "id of the contract, from list")
    .addOption(environmentOption())
    .addOption(outputOption());
}

async function decide(
  world: CommandWorld,
  {
    id,
    verb,
    options,
    body,
  }: { readonly id: string; readonly verb: string; readonly options: OneApi; readonly body: unknown },
): Promise<void> {
  const path = `/v1/environments/${encodeURIComponent(options.environment)}/contracts/${encodeURIComponent(id)}/${verb}`;
  const after = await withApi(world, (api) => api.call(path, contractSchema, { method: "POST", body }));
  const tier = after.tier === "" ? "" : `, tier ${after.tier}`;
  outputOf(world, options).done(`contract ${id} of ${after.clientName} is ${after.state}${tier}`, after);
}
