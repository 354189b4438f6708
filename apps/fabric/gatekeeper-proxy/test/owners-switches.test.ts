import { AddressDetail } from "@drawbridge/contracts/apis/v1/configuration";
import { expect, test } from "vitest";
import type { DataPlaneSettings } from "../src/worker/settings.ts";
import { startGateway } from "./support/policy-gateway.ts";
import { startServer } from "./support/start-server.ts";

/** What is told of these requests where an environment wants them told and has chosen a word. */
async function pathsTold(settings: Partial<DataPlaneSettings>): Promise<readonly string[]> {
  await using upstream = await startServer((_request, response) => response.end("served"));
  const analytics = { clientAddress: AddressDetail.ADDRESS_DETAIL_NONE, routeWords: ["dunning"] };
  await using gateway = await startGateway(upstream, [], { analytics, settings: { shedDelayMs: 60_000, ...settings } });
  for (const path of ["/orders/7", "/dunning/7", "/ada/7"]) expect((await gateway.ask({ path })).status).toBe(200);
  gateway.worker.post({ type: "drain", stopAccepting: "now" });
  await gateway.worker.wait("drained");
  return gateway.worker.records().map(({ resourcePath }) => resourcePath);
}

test("words that operators choose are in told paths only where the fabric's owner allows it (MGT 6, ANA 2)", async () => {
  expect(await pathsTold({})).toEqual(["/orders/{}", "/{}/{}", "/{}/{}"]);
  expect(await pathsTold({ chosenWords: "allowed" })).toEqual(["/orders/{}", "/dunning/{}", "/{}/{}"]);
});

test("no request is told of where the fabric's owner does not want it, whatever its environment wants (ANA 3)", async () => {
  expect(await pathsTold({ analytics: "untold" })).toEqual([]);
});
