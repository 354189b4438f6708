import { readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { createTestCa, createTestLogger, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import type { CacheWish } from "../src/cache/cache-index.ts";
import { DiskCache, rootFileName } from "../src/cache/disk-cache.ts";
import { apiKey } from "../src/configuration/api-key.ts";
import { ObjectStore } from "../src/configuration/object-store.ts";
import { createApiResolver } from "../src/configuration/resolve-api.ts";
import { verifyRoot } from "../src/configuration/root.ts";
import { aContract, buildTree, signTree, stamp, type SignedTree, type TestApi } from "./support/api-tree.ts";

/* Writes that name only what has changed leave a folder in which a new process finds everything (GK 3). */
const fabricId = "0198c0de-0000-7000-8000-000000000001";
const indexPages = 64;
let ca: TestCa;
let signer: IdentitySnapshot;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
});

function api(index: number, revision: number): TestApi {
  return {
    environment: "production",
    name: `api-${index}`,
    version: "1.0.0",
    document: {
      revision,
      policies: [stamp(`${index} at ${revision}`)],
      contracts: [aContract(`client-${index}`, "secret")],
    },
  };
}

function publish(apis: readonly TestApi[], revision: number): Promise<SignedTree> {
  return signTree(buildTree(apis, indexPages), { signer, fabricId, revision });
}

async function openCache(directory: string): Promise<{ readonly cache: DiskCache; readonly store: ObjectStore }> {
  const store = new ObjectStore();
  const cache = new DiskCache({
    directory,
    fabricId,
    store,
    resolve: createApiResolver(store.find),
    clock: systemClock,
    logger: createTestLogger().logger,
  });
  await cache.open();
  return { cache, store };
}

/** As the gateway does; without a wish given, all of the API is here. */
async function write(
  { cache, store }: Awaited<ReturnType<typeof openCache>>,
  tree: SignedTree,
  options: { readonly changed: readonly TestApi[]; readonly wishes?: ReadonlyMap<string, CacheWish> },
): Promise<void> {
  for (const [digest, bytes] of tree.objects) store.add(digest, bytes);
  const root = await verifyRoot(tree.jws, { trustBundle: ca.trustBundle, fabricId });
  const resolve = createApiResolver(store.find);
  await cache.write({
    root: rootFileName(tree.jws),
    rootJws: tree.jws,
    isConfirmed: true,
    changed: new Set(options.changed.map(apiKey)),
    find: store.find,
    wish: (key) => {
      const given = options.wishes?.get(key);
      if (given !== undefined) return given;
      const [environment = "", name = "", version = ""] = key.split("\n");
      const resolution = resolve(root, { environment, name, version });
      if (resolution.resolved !== "complete") throw new Error(`${name} is ${resolution.resolved}`);
      const { set, objects } = resolution;
      return { wanted: "set", setId: set.setId, objects, isEarlierUsable: () => true };
    },
  });
}

/** Revision of what a new process finds, and of the one before. */
async function found(directory: string, apis: readonly TestApi[]): Promise<readonly (readonly unknown[])[]> {
  const { cache } = await openCache(directory);
  return Promise.all(
    apis.map(async (one) => {
      const cached = await cache.read(one, ca.trustBundle);
      return cached.found === "set" ? [cached.newest.facts.revision, cached.before?.facts.revision] : [cached.found];
    }),
  );
}

const filesOf = (directory: string, folder: string): readonly string[] =>
  readdirSync(join(directory, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .toSorted();

/** Those whose entry stands on the same page of the index as the first one's. */
function onPageOfFirst(before: SignedTree, after: SignedTree, apis: readonly TestApi[]): readonly TestApi[] {
  const [page] = after.indexPages.flatMap((digest, at) => (digest === before.indexPages[at] ? [] : [at]));
  const alone = (one: TestApi) => buildTree([one], indexPages).indexPages.findIndex((digest) => digest !== empty);
  const empty = buildTree([], indexPages).indexPages[0];
  return apis.filter((one) => alone(one) === page);
}

test("an API that an edit of another does not touch is found under the new root, and the edited one with the set before", async () => {
  await using folder = await tempDir();
  const apis = Array.from({ length: 200 }, (_, index) => api(index, 1));
  const process = await openCache(folder.path);
  const first = await publish(apis, 1);
  await write(process, first, { changed: apis });
  const edited = apis.with(0, api(0, 2));
  const second = await publish(edited, 2);
  const changed = onPageOfFirst(first, second, edited);
  expect(changed.length).toBeLessThan(20);
  const shards = new Set(filesOf(folder.path, "shards"));
  await write(process, second, { changed });
  expect(filesOf(folder.path, "shards").filter((name) => !shards.has(name)).length).toBeLessThanOrEqual(changed.length);
  expect(await found(folder.path, edited)).toEqual(edited.map((_, index) => (index === 0 ? [2, 1] : [1, undefined])));
});

test("what nobody needs any more is removed: no more objects and roots than two sets of each API need", async () => {
  await using folder = await tempDir();
  const process = await openCache(folder.path);
  let apis: readonly TestApi[] = [api(0, 1), api(1, 1)];
  const revisions = [1, 2, 3, 4, 5];
  for (const revision of revisions) {
    apis = apis.with(0, api(0, revision));
    await write(process, await publish(apis, revision), { changed: apis.slice(0, 1) });
    if (revision === 1) await write(process, await publish(apis, revision), { changed: apis });
  }
  // api-0: two documents, two pages of the index; api-1: one of each; one page of contracts each
  expect(filesOf(folder.path, "objects").length).toBe(8);
  expect(filesOf(folder.path, "roots").length).toBe(2);
  expect(await found(folder.path, apis)).toEqual([
    [5, 4],
    [1, undefined],
  ]);
});

test("an API whose new set is not here yet, and one that nobody is bound to, are found under the root that they hang on", async () => {
  await using folder = await tempDir();
  const apis = [api(0, 1), api(1, 1), api(2, 1)];
  const process = await openCache(folder.path);
  await write(process, await publish(apis, 1), { changed: apis });
  const wishes = new Map<string, CacheWish>([[apiKey(api(1, 1)), { wanted: "unbound" }]]);
  await write(process, await publish(apis, 1), { changed: apis.slice(1, 2), wishes });
  wishes.set(apiKey(api(0, 1)), { wanted: "incomplete" });
  const edited = apis.map((_, index) => api(index, 2));
  await write(process, await publish(edited, 2), { changed: [api(0, 2), api(2, 2)], wishes });
  expect(await found(folder.path, apis)).toEqual([
    [1, undefined],
    [1, undefined],
    [2, 1],
  ]);
});

test("a process that finds another root than the one before it looks at everything that is kept", async () => {
  await using folder = await tempDir();
  const apis = [api(0, 1), api(1, 1)];
  await write(await openCache(folder.path), await publish(apis, 1), { changed: apis });
  const edited = [api(0, 2), api(1, 2)];
  const wishes = new Map<string, CacheWish>([[apiKey(api(1, 1)), { wanted: "unbound" }]]);
  await write(await openCache(folder.path), await publish(edited, 2), { changed: edited.slice(0, 1), wishes });
  expect(await found(folder.path, apis)).toEqual([
    [2, 1],
    [1, undefined],
  ]);
});

test("an API that the control plane says does not exist leaves nothing behind", async () => {
  await using folder = await tempDir();
  const apis = [api(0, 1)];
  const process = await openCache(folder.path);
  const tree = await publish(apis, 1);
  await write(process, tree, { changed: apis });
  await write(process, tree, { changed: apis, wishes: new Map([[apiKey(api(0, 1)), { wanted: "absent" }]]) });
  expect(await found(folder.path, apis)).toEqual([["none"]]);
  expect(filesOf(folder.path, "objects")).toEqual([]);
  expect(filesOf(folder.path, "shards")).toEqual([]);
});
