import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addressOf, type ShownApp, type TestStack } from "@drawbridge/local/testing";
import { rest } from "../stack/rest.ts";
import { appAt, bystander, levels } from "./levels.ts";

const environment = "/v1/environments/production";
const apiPath = (name: string): string => `${environment}/apis/${name}/versions/v1`;

/** An operator's work on APIs. */
export interface Stage {
  /** Where each app answers. */
  readonly addresses: ReadonlyMap<string, string>;
  deploy(name: string, version: string): Promise<ShownApp>;
  createApi(name: string): Promise<void>;
  deleteApi(name: string): Promise<void>;
  applyPolicy(name: string, policy: { readonly name: string; readonly body: unknown }): Promise<void>;
  removePolicy(name: string, policy: string): Promise<void>;
  /** A client application with an approved contract: its credentials as headers, and what ends it. */
  contract(name: string): Promise<{ readonly headers: Readonly<Record<string, string>>; revoke(): Promise<void> }>;
}

/**
 * Asks every caller for the credentials of a contract. A policy of the environment, so that no API is there without it for a
 * moment: one without policies is open.
 */
const clientIds = { type: "client-id-enforcement", configuration: {} };

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
    createApi: async (name) => {
      await rest(stack, `${environment}/apis`, { method: "POST", body: { name, version: "v1" } });
    },
    deleteApi: async (name) => {
      await rest(stack, `${apiPath(name)}?force=true`, { method: "DELETE" });
    },
    applyPolicy: async (name, policy) => {
      await rest(stack, `${apiPath(name)}/policies/${policy.name}`, { method: "PUT", body: policy.body });
    },
    removePolicy: async (name, policy) => {
      await rest(stack, `${apiPath(name)}/policies/${policy}`, { method: "DELETE" });
    },
    contract: async (api) => {
      clients += 1;
      const name = `client-${clients}`;
      const { client, clientSecret } = await rest<NewClient>(stack, "/v1/clients", { method: "POST", body: { name } });
      const { contractId } = await rest<{ readonly contractId: string }>(stack, `${apiPath(api)}/contracts`, {
        method: "POST",
        body: { client: name },
      });
      const decide = (verb: string, body: unknown) =>
        rest(stack, `${environment}/contracts/${contractId}/${verb}`, { method: "POST", body });
      await decide("approve", {});
      return {
        headers: { client_id: client.clientId, client_secret: clientSecret },
        revoke: async () => void (await decide("revoke", { reason: "drill" })),
      };
    },
  };
  await rest(stack, `${environment}/automated-policies/client-ids`, { method: "PUT", body: clientIds });
  for (const name of [...levels.map(appAt), bystander]) await deploy(name, "1.0.0");
  return stage;
}

interface NewClient {
  readonly client: { readonly clientId: string };
  readonly clientSecret: string;
}

async function declareApi(folder: string, name: string): Promise<void> {
  const path = join(folder, "drawbridge.yaml");
  const text = await readFile(path, "utf8");
  await writeFile(path, `${text}apis:\n  - { name: ${name}, version: "v1" }\n`);
}
