import { hash } from "node:crypto";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Contract } from "@drawbridge/contracts/apis/v1/configuration";
import type { ClientContract, ContractSet } from "./contract-set.ts";

/** Fields of the wire format that are read here: ContractPage.contracts and Contract.client_id. */
const contractsField = 1;
const clientIdField = 2;
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
      const contract = page && findOnPage(page, Buffer.from(clientId));
      if (contract === undefined) return undefined;
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

function findOnPage(page: Uint8Array, clientId: Buffer): ClientContract | undefined {
  const reader = new BinaryReader(page);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === contractsField) {
      const length = reader.uint32();
      const end = reader.pos + length;
      if (isOf(page.subarray(reader.pos, end), clientId)) {
        return fromWire(Contract.decode(page.subarray(reader.pos, end)));
      }
      reader.pos = end;
    } else {
      reader.skip(type);
    }
  }
  return undefined;
}

/** Whether the encoded contract is that client's. */
function isOf(contract: Uint8Array, clientId: Buffer): boolean {
  const reader = new BinaryReader(contract);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === clientIdField && type === WireType.LengthDelimited) {
      const length = reader.uint32();
      if (length !== clientId.length) return false;
      return clientId.equals(contract.subarray(reader.pos, reader.pos + length));
    }
    reader.skip(type);
  }
  return false;
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
