import { readdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { createTestLogger, FakeClock, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createIdentityStore, type IdentityStore } from "./identity-store.ts";

async function stage(store: IdentityStore): Promise<number> {
  return store.stage({
    certificateChainPem: "certificate",
    privateKeyPem: "key",
    meta: {
      spiffeId: "spiffe://drawbridge.local/org/default/fabric/f/agent/a",
      serialNumber: "01",
      notBefore: "2026-01-01T00:00:00.000Z",
      notAfter: "2026-02-01T00:00:00.000Z",
      createdAt: "2026-01-01T00:00:00.000Z",
      fabricId: "01a2019c-6249-7ad6-9644-02ea354827cd",
      fabricName: "local",
      agentId: "01a2019c-6249-7ad6-9644-02ea354827ce",
      tokenId: "",
      endpoints: { tunnel: ["127.0.0.1:1"], configResolver: "https://127.0.0.1:2", activation: [] },
    },
  });
}

const generationsIn = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory)).filter((name) => name.startsWith("gen-")).toSorted();

test("a commit that is repeated removes what a process left that died right after the switch", async () => {
  await using folder = await tempDir();
  const directory = join(folder.path, "identity");
  const store = createIdentityStore({ directory, clock: new FakeClock(), logger: createTestLogger().logger });
  await store.commit(await stage(store));
  await store.commit(await stage(store));
  await stage(store);
  await rm(join(directory, "gen-3", "meta.json")); // half of an identity: a process died while it wrote
  const switched = await stage(store);
  await symlink(`gen-${switched}`, join(directory, ".tmp-current"));
  await rename(join(directory, ".tmp-current"), join(directory, "current"));
  expect(await generationsIn(directory)).toEqual(["gen-1", "gen-2", "gen-3", "gen-4"]);
  await store.commit(switched);
  expect(await generationsIn(directory)).toEqual(["gen-2", "gen-4"]);
});
