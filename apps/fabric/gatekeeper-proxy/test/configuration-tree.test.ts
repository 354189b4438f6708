import { cryptoRandom, systemClock } from "@drawbridge/lifecycle";
import { createTestLogger } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { apiKey } from "../src/configuration/api-key.ts";
import { ConfigurationTree } from "../src/configuration/configuration-tree.ts";
import { ObjectStore } from "../src/configuration/object-store.ts";
import { buildTree, stamp } from "./support/api-tree.ts";

test("what a fetch for an earlier root has brought completes an API that waits for it (MGT 5)", async () => {
  const api = { environment: "production", name: "orders", version: "v1" };
  const { indexPages, objects } = buildTree([{ ...api, document: { revision: 1, policies: [stamp("one")] } }]);
  const store = new ObjectStore();
  let questions = 0;
  const tree = new ConfigurationTree({
    store,
    loadObject: () => {
      questions += 1;
      if (questions > 1_000) throw new Error("the disk is asked for ever for what is in memory");
      return Promise.resolve(undefined);
    },
    getObjects: () => Promise.reject(new Error("nothing is missing")),
    clock: systemClock,
    random: cryptoRandom,
    logger: createTestLogger().logger,
    onChange: () => undefined,
  });
  tree.bind([api]);
  tree.follow({
    digest: "sha256:root",
    jws: "",
    fabricId: "fabric",
    incarnationId: "life",
    revision: 1n,
    issuedAt: systemClock.now(),
    indexPages,
  });
  expect(tree.wish(apiKey(api))?.resolution.resolved).toBe("missing");
  for (const [digest, bytes] of objects) store.add(digest, bytes);
  const running = tree.run();
  onTestFinished(async () => {
    tree.stop();
    await running;
  });
  await expect.poll(() => tree.wish(apiKey(api))?.resolution.resolved).toBe("complete");
});
