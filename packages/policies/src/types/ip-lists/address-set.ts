import { BlockList, isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { parseAddress } from "./address.ts";

/** Whether an address is in a set. Undefined for what is no address. */
export type AddressSet = (address: string) => boolean | undefined;

/** Addresses asked for lately; the list itself is searched from its begin to its end. */
const mostRemembered = 10_000;

export const networkField = z.string().refine((text) => parseNetwork(text) !== undefined, {
  message:
    "must be an IPv4 or IPv6 address or network, for example 192.0.2.0/24 or 2001:db8::/32, with no bit set behind its prefix",
});

interface Network {
  readonly family: "ipv4" | "ipv6";
  readonly address: string;
  readonly prefix: number;
}

function parseNetwork(text: string): Network | undefined {
  const [address = "", suffix, ...rest] = text.split("/");
  if (rest.length > 0 || (suffix !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(suffix))) return undefined;
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) && !address.includes("%") ? "ipv6" : undefined;
  if (family === undefined) return undefined;
  const bits = family === "ipv4" ? 32 : 128;
  const prefix = suffix === undefined ? bits : Number(suffix);
  return prefix <= bits && isNetworkAddress(family, address, prefix) ? { family, address, prefix } : undefined;
}

/** 192.0.2.7/24 is a slip: was it the host or its network? */
function isNetworkAddress(family: Network["family"], address: string, prefix: number): boolean {
  const bits = family === "ipv4" ? ipv4Bits(address) : ipv6Bits(address);
  return !bits.slice(prefix).includes("1");
}

function ipv4Bits(address: string): string {
  return address
    .split(".")
    .map((byte) => Number(byte).toString(2).padStart(8, "0"))
    .join("");
}

function ipv6Bits(address: string): string {
  const dotted = /\d+\.\d+\.\d+\.\d+$/.exec(address)?.[0];
  const bits = dotted === undefined ? undefined : ipv4Bits(dotted);
  const hexadecimal =
    bits === undefined || dotted === undefined
      ? address
      : `${address.slice(0, -dotted.length)}${Number.parseInt(bits.slice(0, 16), 2).toString(16)}:${Number.parseInt(bits.slice(16), 2).toString(16)}`;
  const [head = "", tail] = hexadecimal.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0"))
    .join("");
}

/** A set of addresses and networks that passed `networkField`. An IPv4 address in IPv6 form is that IPv4 address. */
export function createAddressSet(networks: readonly string[]): AddressSet {
  const list = new BlockList();
  for (const text of networks) {
    const network = parseNetwork(text);
    if (network === undefined) throw new RangeError("not a network");
    list.addSubnet(network.address, network.prefix, network.family);
  }
  const remembered = new Map<string, boolean | undefined>();
  return (text) => {
    const known = remembered.get(text);
    if (known !== undefined) return known;
    const address = parseAddress(text);
    if (address === undefined) return undefined;
    const isMember = list.check(address.text, address.family);
    if (remembered.size >= mostRemembered) remembered.clear();
    remembered.set(text, isMember);
    return isMember;
  };
}
