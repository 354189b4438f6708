import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestStack } from "@drawbridge/local/testing";
import { rest } from "./rest.ts";

const environment = "/v1/environments/production";

export const apiPath = (name: string): string => `${environment}/apis/${name}/versions/v1`;

export interface Contract {
  /** The client's credentials. */
  readonly headers: Readonly<Record<string, string>>;
  revoke(): Promise<void>;
}

interface NewClient {
  readonly client: { readonly clientId: string };
  readonly clientSecret: string;
}

/**
 * Asks every caller for the credentials of a contract. A policy of the environment, so that no API is there without it for a
 * moment: one without policies is open.
 */
export async function askForClientIds(stack: TestStack): Promise<void> {
  const body = { type: "client-id-enforcement", configuration: {} };
  await rest(stack, `${environment}/automated-policies/client-ids`, { method: "PUT", body });
}

export async function createApi(stack: TestStack, name: string): Promise<void> {
  await rest(stack, `${environment}/apis`, { method: "POST", body: { name, version: "v1" } });
}

/** A new client application of that name with an approved contract. */
export async function createContract(stack: TestStack, api: string, name: string): Promise<Contract> {
  const { client, clientSecret } = await rest<NewClient>(stack, "/v1/clients", { method: "POST", body: { name } });
  const { contractId } = await rest<{ readonly contractId: string }>(stack, `${apiPath(api)}/contracts`, {
    method: "POST",
    body: { client: name },
  });
  const decide = (verb: string, body: unknown): Promise<unknown> =>
    rest(stack, `${environment}/contracts/${contractId}/${verb}`, { method: "POST", body });
  await decide("approve", {});
  return {
    headers: { client_id: client.clientId, client_secret: clientSecret },
    revoke: async () => void (await decide("revoke", { reason: "drill" })),
  };
}

/** Have the manifest in `folder` name an API. */
export async function declareApi(folder: string, name: string): Promise<void> {
  const path = join(folder, "drawbridge.yaml");
  const text = await readFile(path, "utf8");
  await writeFile(path, `${text}apis:\n  - { name: ${name}, version: "v1" }\n`);
}
