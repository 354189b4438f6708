import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addressOf, type TestStack } from "@drawbridge/local/testing";
import type { Operator } from "./operator.ts";

const environment = "/v1/environments/production";

/** An API with its app, and an operator's work on it. */
export interface StagedApi {
  readonly url: string;
  /** Every answer of the API bears this from then on. */
  stamp(value: string): Promise<void>;
  /** Ask every caller for a contract. */
  guard(): Promise<void>;
  contract(name: string): Promise<StagedContract>;
}

export interface StagedContract {
  readonly headers: Readonly<Record<string, string>>;
  revoke(): Promise<void>;
}

export const stampHeader = "x-edit";

export async function stageApi(stack: TestStack, operator: Operator, name: string): Promise<StagedApi> {
  const directory = await stack.hello({
    version: "1.0.0",
    name,
    edit: async (folder) => {
      const path = join(folder, "drawbridge.yaml");
      await writeFile(path, `${await readFile(path, "utf8")}apis:\n  - { name: ${name}, version: "v1" }\n`);
    },
  });
  const url = `${addressOf(await stack.deploy(directory))}/`;
  await operator.ask("POST", `${environment}/apis`, { name, version: "v1" });
  const path = `${environment}/apis/${name}/versions/v1`;
  return {
    url,
    stamp: (value) =>
      operator.ask("PUT", `${path}/policies/stamp`, {
        type: "header-injection",
        configuration: { outbound: [{ name: stampHeader, value }] },
      }),
    guard: () => operator.ask("PUT", `${path}/policies/callers`, { type: "client-id-enforcement", configuration: {} }),
    contract: async (client) => {
      const made = await operator.ask<NewClient>("POST", "/v1/clients", { name: client });
      const { contractId } = await operator.ask<{ readonly contractId: string }>("POST", `${path}/contracts`, {
        client,
      });
      const decide = (verb: string, body: unknown): Promise<void> =>
        operator.ask("POST", `${environment}/contracts/${contractId}/${verb}`, body);
      await decide("approve", {});
      return {
        headers: { client_id: made.client.clientId, client_secret: made.clientSecret },
        revoke: () => decide("revoke", { reason: "bench" }),
      };
    },
  };
}

interface NewClient {
  readonly client: { readonly clientId: string };
  readonly clientSecret: string;
}
