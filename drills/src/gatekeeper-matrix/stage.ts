import { createHash } from "node:crypto";
import { addressOf, type ShownApp, type TestStack } from "@drawbridge/local/testing";
import { apiPath, askForClientIds, createApi, createContract, declareApi, type Contract } from "../stack/apis.ts";
import { rest } from "../stack/rest.ts";
import { appAt, bystander, levels } from "./levels.ts";

/** An operator's work on APIs. */
export interface Stage {
  /** Where each app answers. */
  readonly addresses: ReadonlyMap<string, string>;
  deploy(name: string, version: string): Promise<ShownApp>;
  createApi(name: string): Promise<void>;
  deleteApi(name: string): Promise<void>;
  applyPolicy(name: string, policy: { readonly name: string; readonly body: unknown }): Promise<void>;
  removePolicy(name: string, policy: string): Promise<void>;
  contract(name: string): Promise<Contract>;
}

const module = Buffer.from("export function onRequest() {}\n");

/** What api-manager takes and no gateway does: a module that nobody whom the gateway trusts has signed. */
export const unusable = {
  name: "of-a-stranger",
  body: {
    type: "custom",
    configuration: {
      module: createHash("sha256").update(module).digest("hex"),
      signature: `${Buffer.from('{"alg":"EdDSA","typ":"drawbridge-module+jws"}').toString("base64url")}..${"A".repeat(86)}`,
    },
    modules: [module.toString("base64")],
  },
};

export async function setStage(stack: TestStack): Promise<Stage> {
  const addresses = new Map<string, string>();
  let clients = 0;

  async function deploy(name: string, version: string): Promise<ShownApp> {
    const level = levels.find((known) => appAt(known) === name) ?? "flexible";
    const directory = await stack.hello({ version, name, edit: (folder) => declareApi(folder, name) });
    const app = await stack.deploy(directory, "--gatekeeper", level);
    addresses.set(name, addressOf(app));
    return app;
  }

  const stage: Stage = {
    addresses,
    deploy,
    createApi: (name) => createApi(stack, name),
    deleteApi: async (name) => {
      await rest(stack, `${apiPath(name)}?force=true`, { method: "DELETE" });
    },
    applyPolicy: async (name, policy) => {
      await rest(stack, `${apiPath(name)}/policies/${policy.name}`, { method: "PUT", body: policy.body });
    },
    removePolicy: async (name, policy) => {
      await rest(stack, `${apiPath(name)}/policies/${policy}`, { method: "DELETE" });
    },
    contract: (api) => {
      clients += 1;
      return createContract(stack, api, `client-${clients}`);
    },
  };
  await askForClientIds(stack);
  await Promise.all([...levels.map(appAt), bystander].map((name) => deploy(name, "1.0.0")));
  return stage;
}
