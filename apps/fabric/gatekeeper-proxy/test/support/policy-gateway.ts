import { createHash } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { ApiDocument, type Policy } from "@drawbridge/contracts/apis/v1/configuration";
import { freePort } from "@drawbridge/testkit";
import { expect } from "vitest";
import type { DataPlaneSettings } from "../../src/worker/settings.ts";
import type { Listener } from "../../src/workers/protocol.ts";
import type { Server } from "./start-server.ts";
import { aListener, anApp, startWorker, type WorkerThread } from "./worker-thread.ts";

export interface Gateway extends AsyncDisposable {
  readonly port: number;
  readonly worker: WorkerThread;
  ask(options?: Question): Promise<Answer>;
}

interface Question {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Reason of a problem document. */
  readonly reason: string | undefined;
}

/** A worker of the gateway before one upstream, with these policies. */
export async function startGateway(
  upstreams: Server | readonly Server[],
  policies: readonly (Partial<Policy> & { readonly type: string; readonly configuration: unknown })[],
  {
    assets = [],
    trustedModuleKeys = [],
    settings = {},
    analytics,
    tls,
  }: {
    assets?: readonly Buffer[];
    trustedModuleKeys?: readonly string[];
    settings?: Partial<DataPlaneSettings>;
    analytics?: Partial<NonNullable<ApiDocument["analytics"]>>;
    tls?: Listener["tls"];
  } = {},
): Promise<Gateway> {
  const document = ApiDocument.encode(
    ApiDocument.fromPartial({
      apiId: "api-1",
      name: "orders",
      version: "1.0.0",
      environment: "prod",
      revision: 1n,
      ...(analytics && { analytics }),
      policies: policies.map(({ configuration, ...policy }, index) => ({
        policyId: `policy-${index}`,
        name: `policy ${index}`,
        order: index + 1,
        configurationJson: JSON.stringify(configuration),
        assets: policy.type === "custom" ? assets.map((bytes) => createHash("sha256").update(bytes).digest()) : [],
        ...policy,
      })),
    }),
  ).finish();
  const setId = createHash("sha256").update(document).digest("hex");
  const worker = await startWorker({ trustedModuleKeys, settings });
  const port = await freePort();
  const said = await worker.apply(
    {
      change: "set_added",
      set: {
        setId,
        document,
        contractPages: [],
        assets: assets.map((bytes) => ({ digest: createHash("sha256").update(bytes).digest("hex"), bytes })),
      },
    },
    {
      change: "app_set",
      app: anApp({
        replicas: [upstreams].flat().map(({ port }, index) => ({ replicaId: `r${index}`, address: "127.0.0.1", port })),
        bindings: [
          {
            gateId: "g1",
            apiName: "orders",
            apiVersion: "1.0.0",
            basePath: "/",
            resources: [],
            verdict: { verdict: "open", setId },
          },
        ],
      }),
    },
    { change: "listener_set", listener: aListener(port, { tls }) },
  );
  expect(said.filter(({ type }) => type === "unusable")).toStrictEqual([]);
  return {
    port,
    worker,
    async ask({ path = "/orders", method = "GET", headers = {}, body } = {}) {
      const outgoing = request({ port, host: "127.0.0.1", path, method, headers });
      outgoing.end(body);
      const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
      const text = (await buffer(answer)).toString();
      const isProblem = answer.headers["content-type"] === "application/problem+json";
      const reason = isProblem ? /urn:drawbridge:error:(\w+)/.exec(text)?.[1] : undefined;
      return { status: answer.statusCode ?? 0, headers: answer.headers, body: text, reason };
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}
