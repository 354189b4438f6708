import type { Capture } from "@drawbridge/contracts/apis/v1/capture";
import { ApiDocument, ContractPage, IndexPage } from "@drawbridge/contracts/apis/v1/configuration";
import { mostCaptures } from "../insight/capture-order.ts";
import type { ApiSet, SetProblem } from "../workers/protocol.ts";
import { apiKey, indexPageOf, type ApiName } from "./api-key.ts";
import type { Root } from "./root.ts";

/** What a root says about one API, as far as its objects are here. */
export type Resolution =
  /** The platform has not heard of the binding yet: no entry. */
  | { readonly resolved: "no_entry" }
  /** There is no such API instance. */
  | { readonly resolved: "absent" }
  /** Objects to fetch, hex; only contract pages are missing if `what` is "contracts". */
  | {
      readonly resolved: "missing";
      readonly what: "objects" | "contracts";
      readonly digests: readonly string[];
      readonly revision: number;
    }
  | {
      readonly resolved: "complete";
      readonly set: ApiSet;
      readonly facts: SetFacts;
      /** Why it cannot be used, whatever its policies say; none: the workers decide. */
      readonly problems: readonly SetProblem[];
      /** Every object that it is made of, hex, the index page too. */
      readonly objects: readonly string[];
    };

/** For reports. */
export interface SetFacts {
  readonly apiId: string;
  readonly revision: number;
  readonly policies: number;
  readonly contracts: number;
  /** Its routes are to be observed, with these words besides the common ones; absent: they are not. */
  readonly routeWords?: readonly string[];
  /** Orders to capture exchanges, as far as a gateway looks at them; absent: none. */
  readonly captures?: readonly Capture[];
}

export type FindObject = (digest: string) => Uint8Array | undefined;

const mostPolicies = 256;

export type ResolveApi = (root: Pick<Root, "indexPages">, api: ApiName) => Resolution;

/** `resolveApi` that remembers which contract pages it has read, because there may be thousands and few of them change. */
export function createApiResolver(find: FindObject): ResolveApi {
  const readablePages = new WeakSet<Uint8Array>();
  const isReadable = (page: Uint8Array): boolean => {
    if (readablePages.has(page)) return true;
    if (decoded(() => ContractPage.decode(page)) === undefined) return false;
    readablePages.add(page);
    return true;
  };
  return (root, api) => resolveApi(root, api, { find, isReadable });
}

interface Objects {
  readonly find: FindObject;
  readonly isReadable: (contractPage: Uint8Array) => boolean;
}

/**
 * Walk from a root to one API. Objects were checked against their digests before; what they hold is checked here. A
 * document that cannot be read makes its own API unusable and no other.
 */
function resolveApi(root: Pick<Root, "indexPages">, api: ApiName, objects: Objects): Resolution {
  const { find } = objects;
  const key = apiKey(api);
  const { indexPages } = root;
  const pageDigest = indexPages.length === 0 ? undefined : indexPages[indexPageOf(key, indexPages.length)];
  if (pageDigest === undefined) return { resolved: "no_entry" };
  const pageBytes = find(pageDigest);
  if (pageBytes === undefined) return missing("objects", [pageDigest]);
  const page = decoded(() => IndexPage.decode(pageBytes));
  if (page === undefined) return unreadable(pageDigest, { bytes: pageBytes, objects: [pageDigest] });
  const entry = page.entries.find((candidate) => apiKey(candidate) === key);
  if (entry === undefined) return { resolved: "no_entry" };
  if (entry.document.length === 0) return { resolved: "absent" };
  const setId = entry.document.toString("hex");
  const bytes = find(setId);
  if (bytes === undefined) return missing("objects", [setId]);
  const walked = [pageDigest, setId];
  const document = decoded(() => ApiDocument.decode(bytes));
  if (document === undefined || apiKey(document) !== key) return unreadable(setId, { bytes, objects: walked });
  return resolveDocument(document, { ...objects, setId, bytes, walked });
}

function resolveDocument(
  document: ApiDocument,
  { setId, bytes, walked, find, isReadable }: Objects & { setId: string; bytes: Uint8Array; walked: readonly string[] },
): Resolution {
  const revision = Number(document.revision);
  const pages = document.contractPages.map(toHex);
  const assets = [...new Set(document.policies.flatMap((policy) => policy.assets.map(toHex)))];
  const facts = {
    apiId: document.apiId,
    revision,
    policies: document.policies.length,
    contracts: document.contractCount,
    ...(document.observeRoutes && { routeWords: document.observeRoutes.words }),
    ...(document.captures.length > 0 && { captures: document.captures.slice(0, mostCaptures) }),
  };
  const needed = [...assets, ...pages];
  const isWellFormed =
    (pages.length & (pages.length - 1)) === 0 &&
    document.policies.length <= mostPolicies &&
    needed.every((digest) => digest.length === 64);
  if (!isWellFormed) return unreadable(setId, { bytes, objects: walked, facts });
  const missingAssets = assets.filter((digest) => find(digest) === undefined);
  const missingPages = pages.filter((digest) => find(digest) === undefined);
  if (missingAssets.length > 0) return missing("objects", [...missingAssets, ...missingPages], revision);
  if (missingPages.length > 0) return missing("contracts", missingPages, revision);
  const contractPages = pages.flatMap((digest) => find(digest) ?? []);
  const set: ApiSet = {
    setId,
    document: bytes,
    contractPages,
    assets: assets.flatMap((digest) => {
      const asset = find(digest);
      return asset === undefined ? [] : [{ digest, bytes: asset }];
    }),
  };
  const problems = contractPages.every(isReadable) ? [] : [wholeApi("a page of its contracts cannot be read")];
  return { resolved: "complete", set, facts, problems, objects: [...walked, ...needed] };
}

function unreadable(
  setId: string,
  { bytes, objects, facts }: { bytes: Uint8Array; objects: readonly string[]; facts?: SetFacts },
): Resolution {
  return {
    resolved: "complete",
    set: { setId, document: bytes, contractPages: [], assets: [] },
    facts: facts ?? { apiId: "", revision: 0, policies: 0, contracts: 0 },
    problems: [wholeApi("its document cannot be read: this gateway may be too old for it")],
    objects,
  };
}

function wholeApi(message: string): SetProblem {
  return { policyId: "", policyName: "", field: "", message };
}

function missing(what: "objects" | "contracts", digests: readonly string[], revision = 0): Resolution {
  return { resolved: "missing", what, digests: [...new Set(digests)], revision };
}

function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

function toHex(digest: Buffer): string {
  return digest.toString("hex");
}
