import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Agent, request, type AgentOptions } from "node:https";
import { join } from "node:path";
import type { TestStack } from "@drawbridge/local/testing";
import { clientTlsOptions, parseTrustBundleJson } from "@drawbridge/pki";

/** Requests to management-api with the CLI's login, over connections that are kept. */
export interface Operator extends Disposable {
  ask<T>(method: string, path: string, body?: unknown): Promise<T>;
}

interface Login {
  readonly url: string;
  readonly token: string;
  readonly trustBundle: string;
}

export async function logInAsOperator({ stack }: TestStack): Promise<Operator> {
  const { url, token, trustBundle } = JSON.parse(
    await readFile(join(stack.layout.cli, "context.json"), "utf8"),
  ) as Login;
  const tls = clientTlsOptions(
    { trustBundle: parseTrustBundleJson(trustBundle) },
    { expectedServer: "/cp/management-api", alpnProtocols: ["http/1.1"] },
  );
  const agent = new Agent({ ...(tls as AgentOptions), keepAlive: true }); // the same fields: handed to tls.connect
  return {
    ask: <T>(method: string, path: string, body?: unknown): Promise<T> =>
      new Promise((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${token}`,
          "idempotency-key": randomUUID(),
          ...(body !== undefined && { "content-type": "application/json" }),
        };
        const sent = request(`${url}${path}`, { method, headers, agent }, (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          answer.once("error", reject);
          answer.once("end", () => {
            const { statusCode = 0 } = answer;
            if (statusCode >= 300) reject(new Error(`${method} ${path}: ${statusCode} ${text}`));
            else resolve((text === "" ? undefined : JSON.parse(text)) as T);
          });
        });
        sent.once("error", reject);
        sent.end(body === undefined ? undefined : JSON.stringify(body));
      }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}
