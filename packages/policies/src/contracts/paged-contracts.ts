import { hash } from "node:crypto";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Contract } from "@drawbridge/contracts/apis/v1/configuration";
import type { ClientContract, ContractSet } from "./contract-set.ts";

/** ContractPage.contracts on the wire. */
const contractsField = 1;
/** Contracts found lately are kept decoded; there may be 100,000 of them, few of which are busy. */
const mostFound = 4_096;

/** No contracts at all. */
export const noContracts: ContractSet = { count: 0, find: () => undefined };

/**
 * The contracts on an API's pages, in the document's order. The pages stay as they came, in shared memory if they came so:
 * one contract is decoded when its client calls.
 */
export function openContracts(pages: readonly Uint8Array[], count: number): ContractSet {
  if (pages.length === 0) return noContracts;
  const found = new Map<string, ClientContract>();
  return {
    count,
    find(clientId) {
      const known = found.get(clientId);
      if (known !== undefined) return known;
      const page = pages[bucketOf(clientId, pages.length)];
      if (page === undefined || clientId === "") return undefined;
      const wire = findOnPage(Buffer.from(page.buffer, page.byteOffset, page.byteLength), clientId);
      if (wire === undefined) return undefined;
      const contract = fromWire(wire);
      if (found.size >= mostFound) found.clear();
      found.set(clientId, contract);
      return contract;
    },
  };
}

/** Page of a client: the first 4 bytes, big-endian, of SHA-256 over its id, modulo the number of pages (apis/v1). */
export function bucketOf(clientId: string, pages: number): number {
  return hash("sha256", clientId, "buffer").readUInt32BE(0) % pages;
}

/**
 * The contract of that client on an encoded page. The id's bytes are searched for first, natively: an unknown client costs
 * no decoding, a known one the decoding of its own contract.
 */
function findOnPage(page: Buffer, clientId: string): Contract | undefined {
  const id = Buffer.from(clientId);
  let entry = { start: 0, end: 0 };
  for (let at = page.indexOf(id); at !== -1; at = page.indexOf(id, entry.end)) {
    entry = entryAround(page, entry.end, at);
    const contract = Contract.decode(page.subarray(entry.start, entry.end));
    if (contract.clientId === clientId) return contract;
    // The bytes were in another field, or part of a longer id: no contract before the entry's end is this client's.
  }
  return undefined;
}

/** The entry of ContractPage.contracts that holds position `at`; `from` is the end of an entry before it. */
function entryAround(page: Buffer, from: number, at: number): { readonly start: number; readonly end: number } {
  const reader = new BinaryReader(page);
  reader.pos = from;
  while (reader.pos <= at) {
    const [field, type] = reader.tag();
    if (field === contractsField) {
      const length = reader.uint32();
      const start = reader.pos;
      const end = start + length;
      if (at < end) return { start, end };
      reader.pos = end;
    } else {
      reader.skip(type);
    }
  }
  throw new RangeError("contract page: not in its format");
}

function fromWire(contract: Contract): ClientContract {
  return {
    contractId: contract.contractId,
    clientId: contract.clientId,
    clientName: contract.clientName,
    // Copied out of the page, which may be shared memory: comparisons in constant time want memory of their own.
    secrets: contract.secrets.map(({ sha256, notAfter }) => ({
      sha256: Uint8Array.from(sha256),
      notAfterMs: notAfter?.getTime(),
    })),
    tierId: contract.tierId === "" ? undefined : contract.tierId,
  };
}
