import { resolve } from "node:path";
import { Command } from "commander";
import { z } from "zod";
import { type Api, apiSchema, previewSchema } from "../api/apis-types.ts";
import { listAll } from "../api/paging.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { readGivenFile } from "../files/given-file.ts";
import { formatTime } from "../output/format.ts";
import { type ApiRef, apiPath, apiText, type OneApi, oneApi, withEnvironment } from "./api-ref.ts";
import { apiRoutesCommand } from "./api-routes.ts";
import { analyticsOption, analyticsText, apiSetCommand, observation } from "./api-set.ts";
import {
  type Condition,
  conditionOption,
  conditionRegexOption,
  conditionText,
  methodsAndPath,
} from "./condition-option.ts";
import { confirmed, yesOption } from "./confirm.ts";
import { outputOption } from "./options.ts";

/** API instances: what policies and contracts hang on. */
export function apiCommand(world: CommandWorld): Command {
  const api = new Command("api").description("API instances: what policies and contracts hang on");
  const commands = [create, list, show, apiSetCommand, openapi, preview, apiRoutesCommand, remove];
  for (const command of commands) api.addCommand(command(world));
  return api;
}

function create(world: CommandWorld): Command {
  return oneApi("create", "create an API instance; apps whose manifests name it are opened by it")
    .option("--description <text>", "what it is for")
    .option("--openapi <file>", "OpenAPI 3 document, JSON or YAML: for previews, and warnings on save")
    .option("--auto-approve", "approve contracts as soon as they are requested")
    .addOption(analyticsOption())
    .addHelpText("after", "\nExample:\n  drawbridge api create orders:v1@production --openapi openapi.yaml")
    .action(
      async (
        given: ApiRef,
        options: OneApi & { description?: string; openapi?: string; autoApprove?: boolean; analytics?: string },
      ) => {
        const ref = withEnvironment(given, options.environment);
        const { name, version, environment } = ref;
        const document = await documentOf(world, options.openapi);
        const body = {
          name,
          version,
          ...(options.description === undefined ? {} : { description: options.description }),
          ...(document === undefined ? {} : { openapi: document }),
          ...(options.autoApprove ? { autoApprove: true } : {}),
          ...(options.analytics === undefined ? {} : { analytics: options.analytics }),
        };
        const path = `/v1/environments/${encodeURIComponent(environment)}/apis`;
        const made = await withApi(world, (client) => client.call(path, apiSchema, { method: "POST", body }));
        const output = outputOf(world, options);
        output.done(`${apiText(ref)} is made`, made);
        for (const warning of made.warnings) output.note(`warning: ${warning}`);
      },
    );
}

function list(world: CommandWorld): Command {
  return new Command("list")
    .description("list API instances")
    .option("-e, --environment <name>", "only this environment's")
    .option("--name <name>", "only of this name")
    .addOption(outputOption())
    .action(async (options: OutputOptions & { environment?: string; name?: string }) => {
      const { environment, name } = options;
      const apis = await withApi(world, (client) => listAll(client, "/v1/apis", apiSchema, { environment, name }));
      outputOf(world, options).list(
        [
          { title: "API", value: (row) => `${row.name}:${row.version}` },
          { title: "ENVIRONMENT", value: (row) => row.environment },
          { title: "POLICIES", value: (row) => String(row.policies), align: "right" },
          { title: "IN FORCE", value: (row) => inForce(row), align: "right" },
          { title: "CONTRACTS", value: (row) => String(row.contracts), align: "right" },
          { title: "APPS", value: (row) => row.apps.map(({ appName }) => appName).join(",") || "none" },
          { title: "CHANGED", value: (row) => formatTime(row.updatedAt) },
        ],
        apis,
        { empty: 'no APIs; "drawbridge api create <name>:<version>" makes one' },
      );
    });
}

/** Of a server that does not say so yet: nothing. */
function inForce({ policiesInForce }: Api): string {
  return policiesInForce === 0 ? "0, open" : String(policiesInForce ?? "-");
}

function show(world: CommandWorld): Command {
  return oneApi("show", "show an API instance").action(async (given: ApiRef, options: OneApi) => {
    const ref = withEnvironment(given, options.environment);
    const found = await withApi(world, (client) => client.call(apiPath(ref), apiSchema));
    outputOf(world, options).fields(fieldsOf(found), found);
  });
}

function fieldsOf(api: Api): [string, string][] {
  return [
    ["API", `${api.name}:${api.version}`],
    ["Environment", api.environment],
    ["Description", api.description || "-"],
    ["Revision", String(api.revision)],
    ["Policies", `${api.policies} of its own; in force with those of its environment: ${inForce(api)}`],
    ...api.warnings.map((warning): [string, string] => ["Warning", warning]),
    [
      "Contracts",
      `${api.contracts} in force; ${api.autoApprove ? "approved by themselves" : "somebody approves them"}`,
    ],
    ["OpenAPI", api.hasOpenapi ? "yes" : "no"],
    ["Routes", observation(api)],
    ...analyticsText(api).map((text): [string, string] => ["Analytics", text]),
    ["Changed", `${formatTime(api.updatedAt)} by ${api.updatedBy}`],
    ...api.apps.map(({ appName, basePath, fabricId }): [string, string] => [
      "App",
      `${appName} at ${basePath}, fabric ${fabricId}`,
    ]),
  ];
}

const openapiSchema = z.object({ openapi: z.string() });

function openapi(world: CommandWorld): Command {
  return oneApi("openapi", "print the OpenAPI document of an API instance, or give it another one")
    .option("--set <file>", "take this document; an empty file takes the present one away")
    .action(async (given: ApiRef, options: OneApi & { set?: string }) => {
      const ref = withEnvironment(given, options.environment);
      const output = outputOf(world, options);
      const document = await documentOf(world, options.set);
      if (document !== undefined) {
        const changed = await withApi(world, (client) =>
          client.call(apiPath(ref), apiSchema, {
            method: "PATCH",
            body: { openapi: document.trim() === "" ? "" : document },
          }),
        );
        output.done(`${apiText(ref)} has ${changed.hasOpenapi ? "this document" : "no document any more"}`, changed);
        return;
      }
      const found = await withApi(world, (client) => client.call(`${apiPath(ref)}/openapi`, openapiSchema));
      if (output.format === "json") output.fields([], found);
      else if (found.openapi === "") output.note(`${apiText(ref)} has no OpenAPI document`);
      else output.document(found.openapi.trimEnd());
    });
}

/** Where the resources of a preview come from. */
const sources: ReadonlyMap<string, string> = new Map([
  ["openapi", "its OpenAPI document"],
  ["manifest", "the manifests of its apps"],
  ["observed", "routes that gateways observed"],
  ["given", "as given"],
]);

function preview(world: CommandWorld): Command {
  return oneApi("preview", "show which resources conditions match, before they are saved with a policy")
    .addOption(conditionOption())
    .addOption(conditionRegexOption())
    .option(
      "--resource <text>",
      'a route to try instead of the API\'s, "GET /orders/{id}"; may be repeated',
      (text: string, before: readonly unknown[] | undefined) => {
        const { methods: method, path } = methodsAndPath(text);
        return [...(before ?? []), { method, path }];
      },
    )
    .addHelpText("after", '\nExample:\n  drawbridge api preview orders:v1 --condition "GET|POST /orders/{id}"')
    .action(
      async (
        given: ApiRef,
        options: OneApi & { condition?: Condition[]; conditionRegex?: Condition[]; resource?: unknown[] },
      ) => {
        const ref = withEnvironment(given, options.environment);
        const conditions = [...(options.condition ?? []), ...(options.conditionRegex ?? [])];
        const body = { conditions, ...(options.resource ? { resources: options.resource } : {}) };
        const shown = await withApi(world, (client) =>
          client.call(`${apiPath(ref)}/preview`, previewSchema, { method: "POST", body }),
        );
        const output = outputOf(world, options);
        if (output.format === "json") {
          output.fields([], shown);
          return;
        }
        output.list(
          [
            { title: "RESOURCE", value: (row) => `${row.method} ${row.path}` },
            {
              title: "MATCHED BY",
              value: (row) => row.conditions.map(({ condition }) => condition + 1).join(",") || "nothing",
            },
            { title: "FOR EXAMPLE", value: (row) => row.conditions[0]?.example ?? "-" },
            { title: "BUT NOT", value: (row) => row.conditions[0]?.counterexample || "-" },
          ],
          shown.resources,
          { empty: "no resources are known" },
        );
        for (const index of shown.idleConditions) {
          const condition = conditions[index];
          if (condition) output.note(`condition ${index + 1} (${conditionText(condition)}) matches nothing`);
        }
        const source = sources.get(shown.source);
        if (source !== undefined) output.note(`resources: ${source}`);
        for (const warning of shown.warnings) output.note(warning);
      },
    );
}

function remove(world: CommandWorld): Command {
  return oneApi("delete", "delete an API instance with its policies, tiers and contracts")
    .option("--force", "also if apps are bound to it: they answer 503 from then on")
    .addOption(yesOption())
    .action(async (given: ApiRef, options: OneApi & { force?: boolean; yes?: boolean }) => {
      const ref = withEnvironment(given, options.environment);
      if (options.force) {
        await confirmed(world, {
          yes: options.yes,
          question: `Delete ${apiText(ref)}? Apps that are bound to it answer 503 from then on.`,
          because: `apps that are bound to ${apiText(ref)} would answer 503`,
        });
      }
      const gone = await withApi(world, (client) =>
        client.call(apiPath(ref), z.object({ apiId: z.string() }), {
          method: "DELETE",
          query: { force: options.force === true },
        }),
      );
      outputOf(world, options).done(`${apiText(ref)} is deleted`, gone);
    });
}

async function documentOf(world: CommandWorld, file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : readGivenFile(resolve(world.workingDirectory, file), "--openapi");
}
