import { createHash } from "node:crypto";
import { Capture } from "@drawbridge/contracts/apis/v1/capture";
import {
  AnalyticsSettings,
  ApiDocument,
  ConfigurationRoot,
  ContractPage,
  IndexPage,
  type Contract,
  type IndexEntry,
  type Policy,
} from "@drawbridge/contracts/apis/v1/configuration";
import { signJws, type IdentitySnapshot } from "@drawbridge/pki";
import { apiKey, indexPageOf } from "../../src/configuration/api-key.ts";

/** An API as api-manager would publish it. */
export interface TestApi {
  readonly environment: string;
  readonly name: string;
  readonly version: string;
  /** `undefined`: there is no such API instance. */
  readonly document?: {
    readonly revision: number;
    readonly policies?: readonly Policy[];
    readonly contracts?: readonly Contract[];
    readonly observeRoutes?: { readonly words: readonly string[] };
    /** Absent: nothing is told of its requests. */
    readonly analytics?: Partial<AnalyticsSettings>;
    readonly captures?: readonly Partial<Capture>[];
  };
}

export interface TestTree {
  readonly indexPages: readonly string[];
  readonly objects: ReadonlyMap<string, Uint8Array>;
  /** Hex of the document of each API, by key. */
  readonly documents: ReadonlyMap<string, string>;
}

export interface SignedTree extends TestTree {
  readonly jws: string;
  readonly digest: string;
}

export function aPolicy(name: string, type: string, configuration: unknown): Policy {
  return {
    policyId: `id of ${name}`,
    type,
    name,
    automated: false,
    order: 1,
    configurationJson: JSON.stringify(configuration),
    conditions: [],
    assets: [],
  };
}

/** Puts the name of its set on every request that it lets through. */
export function stamp(set: string): Policy {
  return aPolicy("stamp", "header-injection", { inbound: [{ name: "x-set", value: set }] });
}

/** One that no gateway can apply. */
export const brokenPolicy: Policy = aPolicy("of another world", "no-such-type", {});

export function aContract(clientId: string, secret: string): Contract {
  const sha256 = createHash("sha256").update(secret).digest();
  return {
    contractId: `contract of ${clientId}`,
    clientId,
    clientName: clientId,
    secrets: [{ sha256, notAfter: undefined }],
    tierId: "",
  };
}

export function buildTree(apis: readonly TestApi[], indexPageCount = pagesFor(apis.length)): TestTree {
  const objects = new Map<string, Uint8Array>();
  const documents = new Map<string, string>();
  const put = (bytes: Uint8Array): Buffer => {
    const digest = createHash("sha256").update(bytes).digest();
    objects.set(digest.toString("hex"), bytes);
    return digest;
  };
  const pages: IndexEntry[][] = Array.from({ length: indexPageCount }, () => []);
  for (const api of apis) {
    const document = api.document === undefined ? Buffer.alloc(0) : put(documentOf(api, put));
    documents.set(apiKey(api), document.toString("hex"));
    const { environment, name, version } = api;
    pages[indexPageOf(apiKey(api), indexPageCount)]?.push({ environment, name, version, document });
  }
  const indexPages = pages.map((entries) => put(IndexPage.encode({ entries }).finish()).toString("hex"));
  return { indexPages, objects, documents };
}

function documentOf({ environment, name, version, document }: TestApi, put: (bytes: Uint8Array) => Buffer): Uint8Array {
  const contracts = document?.contracts ?? [];
  const pageCount = contracts.length === 0 ? 0 : pagesFor(contracts.length);
  const pages: Contract[][] = Array.from({ length: pageCount }, () => []);
  for (const contract of contracts) {
    const hash = createHash("sha256").update(contract.clientId).digest().readUInt32BE(0);
    pages[hash % pageCount]?.push(contract);
  }
  return ApiDocument.encode({
    apiId: `id of ${name}`,
    name,
    version,
    environment,
    revision: BigInt(document?.revision ?? 1),
    policies: [...(document?.policies ?? [])],
    tiers: [],
    contractPages: pages.map((page) => put(ContractPage.encode({ contracts: page }).finish())),
    contractCount: contracts.length,
    observeRoutes: document?.observeRoutes && { words: [...document.observeRoutes.words] },
    analytics: document?.analytics && AnalyticsSettings.fromPartial(document.analytics),
    captures: (document?.captures ?? []).map((capture) => Capture.fromPartial(capture)),
  }).finish();
}

/** A power of two, about 64 entries a page. */
function pagesFor(entries: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(entries / 64)));
}

export async function signTree(
  tree: TestTree,
  options: {
    readonly signer: IdentitySnapshot;
    readonly fabricId: string;
    readonly revision: number;
    readonly incarnationId?: string;
    readonly issuedAt?: Date;
  },
): Promise<SignedTree> {
  const root = ConfigurationRoot.toJSON({
    fabricId: options.fabricId,
    incarnationId: options.incarnationId ?? "incarnation 1",
    revision: BigInt(options.revision),
    issuedAt: options.issuedAt ?? new Date(),
    indexPages: tree.indexPages.map((digest) => Buffer.from(digest, "hex")),
  });
  const payload = Buffer.from(JSON.stringify(root));
  const jws = await signJws({ signer: options.signer, type: "drawbridge-apis+jws", payload });
  return { ...tree, jws, digest: `sha256:${createHash("sha256").update(payload).digest("hex")}` };
}
