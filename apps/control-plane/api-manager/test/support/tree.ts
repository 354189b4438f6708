import { createHash } from "node:crypto";
import {
  ApiDocument,
  ConfigurationRoot,
  ContractPage,
  IndexPage,
  type Contract,
} from "@drawbridge/contracts/apis/v1/configuration";
import { verifyJws } from "@drawbridge/pki";
import type { TestCa } from "@drawbridge/testkit";
import type { Replica } from "./world.ts";

export interface FetchedTree {
  readonly digest: string;
  readonly revision: bigint;
  readonly root: ConfigurationRoot;
  /** By "name:version@environment"; undefined where the API does not exist. */
  readonly apis: ReadonlyMap<
    string,
    { readonly document: ApiDocument; readonly contracts: readonly Contract[] } | undefined
  >;
  /** Digests of all its objects, in hex. */
  readonly digests: ReadonlySet<string>;
}

/** What a gateway does: fetch the root, check its signature, fetch objects and check each against its digest. */
export async function fetchTree(
  ca: TestCa,
  replica: Pick<Replica, "configuration">,
  fabricId: string,
): Promise<FetchedTree> {
  const { digest, revision, rootJws } = await replica.configuration.getRoot({ fabricId, haveDigest: "" });
  const verified = await verifyJws({
    jws: rootJws,
    type: "drawbridge-apis+jws",
    trustBundle: ca.trustBundle,
    expectedSigner: "/cp/api-manager",
    at: new Date(),
  });
  const payload = Buffer.from(verified.payload);
  if (`sha256:${createHash("sha256").update(payload).digest("hex")}` !== digest)
    throw new Error("digest of another root");
  const root = ConfigurationRoot.fromJSON(JSON.parse(payload.toString()));
  const digests = new Set<string>();

  async function objects(wanted: readonly Buffer[]): Promise<readonly Buffer[]> {
    const all: Buffer[] = [];
    while (all.length < wanted.length) {
      const some = wanted.slice(all.length, all.length + 256);
      const answer = await replica.configuration.getObjects({ fabricId, digests: [...some] });
      for (const [index, bytes] of answer.objects.entries()) {
        const digestOf = createHash("sha256").update(bytes).digest();
        if (!some[index]?.equals(digestOf)) throw new Error("an object that is not what its digest says");
        digests.add(digestOf.toString("hex"));
        all.push(bytes);
      }
    }
    return all;
  }

  const entries = (await objects(root.indexPages)).flatMap((bytes) => IndexPage.decode(bytes).entries);
  const apis = new Map<string, { document: ApiDocument; contracts: Contract[] } | undefined>();
  for (const { environment, name, version, document } of entries) {
    const [bytes] = document.length === 0 ? [] : await objects([document]);
    const decoded = bytes && ApiDocument.decode(bytes);
    const pages = decoded ? await objects(decoded.contractPages) : [];
    const contracts = pages.flatMap((page) => ContractPage.decode(page).contracts);
    apis.set(`${name}:${version}@${environment}`, decoded && { document: decoded, contracts });
  }
  return { digest, revision, root, apis, digests };
}
