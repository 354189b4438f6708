import { createHmac } from "node:crypto";
import { isIPv6 } from "node:net";

/**
 * How much of a client's address is reported. `truncated`: the /24 of IPv4 and the /48 of IPv6, the rest zero. `hashed`: an
 * address of the block fd00::/8 (RFC 4193) made from the address and a key that the gateway changes every day, so that clients
 * can be counted within a day but not found. `none`: not told.
 */
export type AddressDetail = "full" | "truncated" | "hashed" | "none";

/** Bytes of an address: IPv6, or IPv4 within it (RFC 4291, section 2.5.5.2). */
export const addressLength = 16;

const digitZero = 48;
const dot = 46;

/**
 * Write what is reported of a client's address; `::` for nothing.
 *
 * @param at.key used for `hashed` alone
 */
export function writeAddress(
  text: string,
  detail: AddressDetail,
  at: { readonly table: Uint8Array; readonly offset: number; readonly key: Uint8Array },
): void {
  const { table, offset, key } = at;
  table.fill(0, offset, offset + addressLength);
  if (detail === "none") return;
  const address = table.subarray(offset, offset + addressLength);
  if (!readAddress(text, table, offset)) address.fill(0); // what was read up to there
  else if (detail !== "full") hide(address, detail, key);
}

function hide(address: Uint8Array, detail: "truncated" | "hashed", key: Uint8Array): void {
  if (detail === "truncated") {
    address.fill(0, isMapped(address) ? 15 : 6);
    return;
  }
  address.set(createHmac("sha256", key).update(address).digest().subarray(0, addressLength));
  address[0] = 0xfd;
}

function readAddress(text: string, table: Uint8Array, offset: number): boolean {
  if (readIPv4(text, table, offset)) return true;
  const bare = text.includes("%") ? text.slice(0, text.indexOf("%")) : text;
  if (!isIPv6(bare)) return false;
  readIPv6(bare, table.subarray(offset, offset + addressLength));
  return true;
}

/** Each request has one: no pattern, no pieces. */
function readIPv4(text: string, table: Uint8Array, offset: number): boolean {
  let part = 0;
  let value = -1;
  const first = offset + 12;
  for (let index = 0; index <= text.length; index += 1) {
    const code = index === text.length ? dot : text.charCodeAt(index);
    if (code === dot) {
      if (value < 0 || part === 4) return false;
      table[first + part] = value;
      part += 1;
      value = -1;
    } else {
      const digit = code - digitZero;
      if (digit < 0 || digit > 9) return false;
      value = value < 0 ? digit : value * 10 + digit;
      if (value > 255) return false;
    }
  }
  if (part !== 4) return false;
  table[offset + 10] = 0xff;
  table[offset + 11] = 0xff;
  return true;
}

/** @param bytes zeros, `addressLength` of them */
function readIPv6(text: string, bytes: Uint8Array): void {
  const [, before = "", quad = ""] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  const groupsOnly = quad === "" ? text : `${before}${groupsOfQuad(quad)}`;
  const [head = "", tail] = groupsOnly.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const write = (groups: readonly string[], offset: number): void => {
    groups.forEach((group, index) => {
      const value = Number.parseInt(group, 16);
      bytes[offset + 2 * index] = value >> 8;
      bytes[offset + 2 * index + 1] = value & 255;
    });
  };
  write(first, 0);
  write(last, addressLength - 2 * last.length);
}

function groupsOfQuad(quad: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = quad.split(".").map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function isMapped(address: Uint8Array): boolean {
  for (let index = 0; index < 10; index += 1) if (address[index] !== 0) return false;
  return address[10] === 0xff && address[11] === 0xff;
}
