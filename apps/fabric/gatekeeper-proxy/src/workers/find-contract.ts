import { createHash } from "node:crypto";
import { Contract } from "@drawbridge/contracts/apis/v1/configuration";

/**
 * The contract of a client, read straight from the encoded pages: 100,000 contracts need no decoded copy in any thread, and
 * a client that does not exist costs one look at about 64 entries.
 * @param pages ContractPages in the document's order; a power of two of them, or none
 */
export function findContract(pages: readonly Uint8Array[], clientId: string): Contract | undefined {
  if (pages.length === 0) return undefined;
  const hash = createHash("sha256").update(clientId).digest().readUInt32BE(0);
  const page = pages[hash % pages.length];
  if (page === undefined) return undefined;
  const wanted = Buffer.from(clientId);
  const cursor = { bytes: page, at: 0 };
  while (cursor.at < page.length) {
    const tag = readVarint(cursor);
    if (tag !== contractTag) {
      skip(cursor, tag);
      continue;
    }
    const end = readVarint(cursor) + cursor.at;
    if (end > page.length) return undefined;
    if (hasClientId(page.subarray(cursor.at, end), wanted)) {
      return Contract.decode(Uint8Array.prototype.slice.call(page, cursor.at, end)); // out of shared memory
    }
    cursor.at = end;
  }
  return undefined;
}

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

/** ContractPage.contracts: field 1, length-delimited. */
const contractTag = (1 << 3) | 2;
/** Contract.client_id: field 2, length-delimited. */
const clientIdTag = (2 << 3) | 2;

function hasClientId(contract: Uint8Array, wanted: Uint8Array): boolean {
  const cursor = { bytes: contract, at: 0 };
  while (cursor.at < contract.length) {
    const tag = readVarint(cursor);
    if (tag !== clientIdTag) {
      skip(cursor, tag);
      continue;
    }
    const length = readVarint(cursor);
    return length === wanted.length && Buffer.compare(contract.subarray(cursor.at, cursor.at + length), wanted) === 0;
  }
  return false;
}

function skip(cursor: Cursor, tag: number): void {
  const wireType = tag & 7;
  if (wireType === 0) readVarint(cursor);
  else if (wireType === 1) cursor.at += 8;
  else if (wireType === 2) cursor.at = readVarint(cursor) + cursor.at; // read first: it moves the cursor
  else if (wireType === 5) cursor.at += 4;
  else cursor.at = cursor.bytes.length; // no wire type of ours: nothing more can be read
}

/** Lengths and tags: below 2^31. */
function readVarint(cursor: Cursor): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = cursor.bytes[cursor.at] ?? 0;
    cursor.at += 1;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
  cursor.at = cursor.bytes.length;
  return 0;
}
