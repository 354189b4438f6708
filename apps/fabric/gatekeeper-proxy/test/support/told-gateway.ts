import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AddressDetail, GeographyDetail, type AnalyticsSettings } from "@drawbridge/contracts/apis/v1/configuration";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { createTestCa, tempDir } from "@drawbridge/testkit";
import { buildTree, signTree, type TestApi } from "./api-tree.ts";
import { startGateway, until, type GatewayProcess } from "./gateway-process.ts";
import { startIngest, type IngestServer } from "./ingest-server.ts";
import { startScriptedAgent, type ScriptedAgent } from "./scripted-agent.ts";
import { anApi, TestFabric, type TestApp } from "./test-app.ts";

const fabricId = "0198c0de-0000-7000-8000-000000000007";

/** A fabric with a gateway that tells of the API "orders". */
export interface ToldFabric extends AsyncDisposable {
  readonly agent: ScriptedAgent;
  readonly ingest: IngestServer;
  readonly app: TestApp;
  /** The gateway's own folder, and its spool. */
  readonly directory: string;
  readonly spool: string;
  readonly signer: IdentitySnapshot;
  /** Put other documents in force. */
  publish(apis: readonly TestApi[]): Promise<void>;
  start(env?: Readonly<Record<string, string>>): Promise<GatewayProcess>;
  /** Requests of the app, one after the other. */
  ask(count: number, path?: string, init?: RequestInit): Promise<void>;
}

export const everything: Partial<AnalyticsSettings> = {
  clientAddress: AddressDetail.ADDRESS_DETAIL_FULL,
  userAgent: true,
  geography: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
};

export async function startToldFabric({
  settings = everything,
  apis = ["orders"],
}: {
  readonly settings?: Partial<AnalyticsSettings> | undefined;
  readonly apis?: readonly string[];
} = {}): Promise<ToldFabric> {
  await using setUp = new AsyncDisposableStack();
  const folder = setUp.use(await tempDir());
  const ca = await createTestCa();
  const signer = await ca.issueService("api-manager");
  const ingest = setUp.use(await startIngest(await ca.issueService("analytics-ingest")));
  const fabric = setUp.use(new TestFabric(folder.path));
  const agent = setUp.use(await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle }));
  agent.analyticsAccess = { token: "token-1", expiresAt: new Date(Date.now() + 3_600_000), url: ingest.url };
  const app = await fabric.addApp("shop");
  await app.deploy({ key: "one", level: "flexible", apis: apis.map((name) => anApi(name)) });
  fabric.writeRoutes();
  const spool = join(fabric.directory, "analytics");
  mkdirSync(spool, { recursive: true });
  let revision = 0;
  const publish = async (published: readonly TestApi[]): Promise<void> => {
    revision += 1;
    agent.announce(await signTree(buildTree(published), { signer, fabricId, revision }));
  };
  await publish(apis.map((name) => anInstance(name, settings)));
  const stack = setUp.move();
  return {
    agent,
    ingest,
    app,
    directory: fabric.directory,
    spool,
    signer,
    publish,
    start: async (env = {}) => {
      const gateway = stack.use(await startGateway({ directory: fabric.directory, fabricId, env }));
      await until(async () => (await gateway.view()).gates.every(({ state }) => state === "live"));
      await until(() =>
        fetch(app.url).then(
          (answer) => answer.ok,
          () => false,
        ),
      ); // tracked by nothing
      return gateway;
    },
    ask: async (count, path = "/orders/17", init = {}) => {
      for (let index = 0; index < count; index += 1) await (await fetch(`${app.url}${path}`, init)).text();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export function anInstance(name: string, analytics?: Partial<AnalyticsSettings>): TestApi {
  const document = { revision: 1, ...(analytics && { analytics }) };
  return { environment: "production", name, version: "1.0.0", document };
}
