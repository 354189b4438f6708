import { createHash } from "node:crypto";
import {
  ApiDocument,
  ConfigurationRoot,
  ContractPage,
  IndexPage,
  type Contract,
  type IndexEntry,
} from "@drawbridge/contracts/apis/v1/configuration";

/** A part of a tree: its bytes, and the SHA-256 that they go by. */
export interface TreeObject {
  readonly digest: Buffer;
  readonly bytes: Buffer;
}

function treeObject(bytes: Uint8Array): TreeObject {
  return { digest: createHash("sha256").update(bytes).digest(), bytes: Buffer.from(bytes) };
}

/** @param contracts sorted by client id */
export function contractPageObject(contracts: readonly Contract[]): TreeObject {
  return treeObject(ContractPage.encode({ contracts: [...contracts] }).finish());
}

export function documentObject(document: ApiDocument): TreeObject {
  return treeObject(ApiDocument.encode(document).finish());
}

export function indexPageObject(entries: readonly IndexEntry[]): TreeObject {
  return treeObject(IndexPage.encode({ entries: entries.toSorted(byKey) }).finish());
}

function byKey(a: IndexEntry, b: IndexEntry): number {
  return compare(a.environment, b.environment) || compare(a.name, b.name) || compare(a.version, b.version);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What a root is made from; `issuedAt` is when its revision was made, so that it is the same bytes whenever it is asked for. */
export interface RootFacts {
  readonly fabricId: string;
  readonly incarnationId: string;
  readonly revision: bigint;
  readonly issuedAt: Date;
  readonly indexPages: readonly Buffer[];
}

export interface Root {
  readonly revision: bigint;
  /** "sha256:<hex>" over `payload`. */
  readonly digest: string;
  /** Protobuf JSON of ConfigurationRoot. */
  readonly payload: Buffer;
}

export function rootOf(facts: RootFacts): Root {
  const { revision } = facts;
  const payload = Buffer.from(
    JSON.stringify(ConfigurationRoot.toJSON({ ...facts, indexPages: [...facts.indexPages] })),
  );
  return { revision, digest: `sha256:${createHash("sha256").update(payload).digest("hex")}`, payload };
}
