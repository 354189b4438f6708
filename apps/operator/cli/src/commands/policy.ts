import { Command, Option } from "commander";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import {
  type Policy,
  policySchema,
  policyTypeSchema,
  policyVersionSchema,
  type SavedPolicy,
  savedPolicySchema,
} from "../api/apis-types.ts";
import { listAll } from "../api/paging.ts";
import { pageOf } from "../api/types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import type { Output } from "../output/output.ts";
import { type ApiRef, apiPath, apiText, parseApiRef, withEnvironment } from "./api-ref.ts";
import { conditionOption, conditionRegexOption, conditionText } from "./condition-option.ts";
import { nameValue, outputOption, wholeNumber } from "./options.ts";
import { type PolicyInput, policyInputs, type PolicyOptions } from "./policy-input.ts";

interface OwnerOptions extends OutputOptions {
  readonly api?: ApiRef;
  readonly environment?: string;
}

/** What policies belong to, in the REST API. */
interface Owner {
  readonly policies: string;
  readonly order: string;
  readonly text: string;
}

/** Policies of APIs, and automated ones of environments. */
export function policyCommand(world: CommandWorld): Command {
  const policy = new Command("policy").description("policies of APIs, and automated ones of whole environments");
  for (const command of [types, apply, enable, disable, list, show, history, remove, reorder])
    policy.addCommand(command(world));
  return policy;
}

function ofOwner(verb: string, description: string): Command {
  return new Command(verb)
    .description(description)
    .addOption(new Option("--api <api>", "of this API: name:version@environment").argParser(parseApiRef))
    .option("-e, --environment <name>", "automated: of every API of this environment; with --api its environment")
    .addOption(outputOption());
}

/** @throws DrawbridgeError `POLICY_OWNER_UNKNOWN` (invalid_argument) */
function ownerOf({ api, environment }: OwnerOptions): Owner {
  if (api) {
    const ref = withEnvironment(api, environment ?? "production");
    return { policies: `${apiPath(ref)}/policies`, order: `${apiPath(ref)}/policy-order`, text: apiText(ref) };
  }
  if (environment !== undefined) {
    const path = `/v1/environments/${encodeURIComponent(environment)}`;
    return {
      policies: `${path}/automated-policies`,
      order: `${path}/automated-policy-order`,
      text: `every API of ${environment}`,
    };
  }
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "POLICY_OWNER_UNKNOWN",
    message: "say of what: --api name:version@environment, or --environment for automated policies",
  });
}

function onePolicy(owner: Owner, name: string): string {
  return `${owner.policies}/${encodeURIComponent(name)}`;
}

function types(world: CommandWorld): Command {
  return new Command("types")
    .description("list policy types, or show one with the JSON Schema of its configuration")
    .argument("[type]", "for example rate-limiting")
    .addOption(outputOption())
    .action(async (type: string | undefined, options: OutputOptions) => {
      const found = await withApi(world, (api) => listAll(api, "/v1/policy-types", policyTypeSchema, { type }));
      const output = outputOf(world, options);
      const [only] = found;
      if (type !== undefined && only !== undefined) {
        output.fields(
          [
            ["Type", only.type],
            ["Title", only.title],
            ["Does", only.description],
            ["Conditions", only.hasConditions ? "yes" : "no: always for the whole API"],
          ],
          only,
        );
        output.document(JSON.stringify(only.schema, null, 2));
        return;
      }
      output.list(
        [
          { title: "TYPE", value: (row) => row.type },
          { title: "CATEGORY", value: (row) => row.category },
          { title: "TITLE", value: (row) => row.title },
        ],
        found,
        { empty: type === undefined ? "no policy types" : `there is no policy type "${type}"` },
      );
    });
}

function apply(world: CommandWorld): Command {
  return ofOwner("apply", "make a policy, or change the one of this name; all of it is checked before any is saved")
    .argument("[name]", "name of the policy; else from --file")
    .option(
      "--file <file>",
      "policy as YAML or JSON: name, type, order, enabled, configuration, conditions; - is standard input. Several YAML documents are several policies, all checked before one is saved",
    )
    .option("--type <type>", "type: drawbridge policy types")
    .option("--config <file>", "its configuration as YAML or JSON; - is standard input")
    .option("--set <name=value>", "one field of the configuration, value as JSON or text; never a secret", nameValue)
    .option("--order <number>", "position, from 1 (default: as it was, or behind the last)", wholeNumber(1, 1_000))
    .option("--enable", "enforce it")
    .option("--disable", "keep it without enforcing it")
    .addOption(conditionOption())
    .addOption(conditionRegexOption())
    .option("--module <file...>", "module of a custom policy")
    .option("--base-version <number>", "refuse if the policy is at another version by now", wholeNumber(1, 1e9))
    .option("--dry-run", "check everything, save nothing")
    .addHelpText(
      "after",
      "\nExample:\n  drawbridge policy apply limit --api orders:v1@production --type rate-limiting --config limit.yaml",
    )
    .action(async (name: string | undefined, options: OwnerOptions & PolicyOptions) => {
      const owner = ownerOf(options);
      const inputs = await policyInputs(world, name, options);
      const output = outputOf(world, options);
      const mode = options.dryRun ? "check" : "save";
      const all = await withApi(world, async (api) => {
        const save: Save = ({ name: which, body }, how) =>
          api.call(onePolicy(owner, which), savedPolicySchema, { method: "PUT", body: { ...body, ...how } });
        return inputs.length === 1 ? Promise.all(inputs.map((input) => save(input))) : saveAll(save, inputs, mode);
      });
      const lines = all.map((saved) => savedText(owner, saved, mode));
      output.done(lines, inputs.length === 1 ? all[0] : { policies: all });
      for (const warning of all.flatMap(({ warnings }) => warnings)) output.note(`warning: ${warning}`);
    });
}

type Save = (input: PolicyInput, how?: { readonly dryRun: true }) => Promise<SavedPolicy>;

/** Of several none is saved that another one's mistake would leave alone. An error says of which it is, and what is saved. */
async function saveAll(
  save: Save,
  inputs: readonly PolicyInput[],
  mode: "save" | "check",
): Promise<readonly SavedPolicy[]> {
  const saved: SavedPolicy[] = [];
  const one = (input: PolicyInput, how?: { readonly dryRun: true }): Promise<SavedPolicy> =>
    save(input, how).catch((error: unknown) => {
      if (!isDrawbridgeError(error)) throw error;
      const { kind, code, details, message } = error;
      const names = saved.map(({ policy }) => `"${policy.name}"`).join(", ");
      const before = names === "" ? "nothing is saved" : `saved before it: ${names}`;
      throw new DrawbridgeError({
        kind,
        code,
        details,
        message: `policy "${input.name}": ${message}; ${before}`,
        cause: error,
      });
    });
  const checked: SavedPolicy[] = [];
  for (const input of inputs) checked.push(await one(input, { dryRun: true }));
  if (mode === "check") return checked;
  for (const input of inputs) saved.push(await one(input));
  return saved;
}

function savedText({ text }: Owner, { policy, changed }: SavedPolicy, mode: "save" | "check"): string {
  const what = `policy "${policy.name}" of ${text}`;
  if (mode === "check") return `${what} could be saved`;
  return `${what} is ${changed ? `saved as version ${policy.version}` : `as it was, version ${policy.version}`}`;
}

function enable(world: CommandWorld): Command {
  return switched(world, "enable", "enforce a policy again that was disabled");
}

function disable(world: CommandWorld): Command {
  return switched(world, "disable", "keep a policy as it is without enforcing it");
}

function switched(world: CommandWorld, verb: "enable" | "disable", description: string): Command {
  return ofOwner(verb, description)
    .argument("<name>", "name of the policy")
    .action(async (name: string, options: OwnerOptions) => {
      const owner = ownerOf(options);
      const path = onePolicy(owner, name);
      const saved = await withApi(world, async (api) => {
        const { type, configuration, conditions, version: baseVersion } = await api.call(path, policySchema);
        const body = { type, configuration, conditions, enabled: verb === "enable", baseVersion };
        return api.call(path, savedPolicySchema, { method: "PUT", body });
      });
      const output = outputOf(world, options);
      output.done(`policy "${name}" of ${owner.text} is ${verb}d, version ${saved.policy.version}`, saved);
      for (const warning of saved.warnings) output.note(`warning: ${warning}`);
    });
}

function list(world: CommandWorld): Command {
  return ofOwner("list", "list policies in the order of enforcement; of an API with the automated ones").action(
    async (options: OwnerOptions) => {
      const owner = ownerOf(options);
      const policies = await withApi(world, (api) => listAll(api, owner.policies, policySchema));
      listPolicies(outputOf(world, options), policies);
    },
  );
}

function listPolicies(output: Output, policies: readonly Policy[]): void {
  output.list(
    [
      { title: "NAME", value: (row) => row.name },
      { title: "TYPE", value: (row) => row.type },
      { title: "ORDER", value: (row) => `${row.api === null ? "automated " : ""}${row.order}`, align: "right" },
      { title: "ENABLED", value: (row) => (row.enabled ? "yes" : "no") },
      { title: "CONDITIONS", value: (row) => row.conditions.map(conditionText).join(", ") || "everywhere" },
      { title: "VERSION", value: (row) => String(row.version), align: "right" },
      { title: "CHANGED", value: (row) => `${formatTime(row.updatedAt)} by ${row.updatedBy}` },
    ],
    policies,
    { empty: "no policies" },
  );
}

function show(world: CommandWorld): Command {
  return ofOwner("show", 'show a policy; secrets are shown as "(set)"')
    .argument("<name>", "name of the policy")
    .action(async (name: string, options: OwnerOptions) => {
      const owner = ownerOf(options);
      const policy = await withApi(world, (api) => api.call(onePolicy(owner, name), policySchema));
      const output = outputOf(world, options);
      output.fields(
        [
          ["Policy", policy.name],
          ["Of", owner.text],
          ["Type", policy.type],
          ["Order", String(policy.order)],
          ["Enabled", policy.enabled ? "yes" : "no"],
          ["Conditions", policy.conditions.map(conditionText).join(", ") || "none: everywhere"],
          ["Version", `${policy.version}, ${formatTime(policy.updatedAt)} by ${policy.updatedBy}`],
        ],
        policy,
      );
      output.document(JSON.stringify(policy.configuration, null, 2));
    });
}

function history(world: CommandWorld): Command {
  return ofOwner("history", "list the versions of a policy, newest first, also of one that was removed")
    .argument("<name>", "name of the policy")
    .action(async (name: string, options: OwnerOptions) => {
      const path = `${onePolicy(ownerOf(options), name)}/versions`;
      const versions = await withApi(world, (api) => listAll(api, path, policyVersionSchema));
      outputOf(world, options).list(
        [
          { title: "VERSION", value: (row) => String(row.policy.version), align: "right" },
          { title: "WHAT", value: (row) => row.action },
          { title: "ORDER", value: (row) => String(row.policy.order), align: "right" },
          { title: "ENABLED", value: (row) => (row.policy.enabled ? "yes" : "no") },
          { title: "BY", value: (row) => row.policy.updatedBy },
          { title: "AT", value: (row) => formatTime(row.policy.updatedAt) },
        ],
        versions,
        { empty: "no versions" },
      );
    });
}

function remove(world: CommandWorld): Command {
  return ofOwner("remove", "remove a policy; gateways stop enforcing it within seconds")
    .argument("<name>", "name of the policy")
    .action(async (name: string, options: OwnerOptions) => {
      const owner = ownerOf(options);
      const gone = await withApi(world, (api) =>
        api.call(onePolicy(owner, name), z.object({ policyId: z.string() }), { method: "DELETE" }),
      );
      outputOf(world, options).done(`policy "${name}" of ${owner.text} is removed`, gone);
    });
}

function reorder(world: CommandWorld): Command {
  return ofOwner("reorder", "give policies another order")
    .argument("<names...>", "each of them once, first the one that is enforced first")
    .action(async (names: string[], options: OwnerOptions) => {
      const owner = ownerOf(options);
      const page = await withApi(world, (api) =>
        api.call(owner.order, pageOf(policySchema), { method: "PUT", body: { names } }),
      );
      listPolicies(outputOf(world, options), page.items);
    });
}
