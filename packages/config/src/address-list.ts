import { BlockList, isIPv4, isIPv6 } from "node:net";
import { z } from "zod";

/** Networks that an address is in or not in. */
export interface AddressList {
  /** As they were given, single addresses with their prefix length. */
  readonly networks: readonly string[];
  includes(address: string): boolean;
}

const mostNetworks = 64;
const family = (address: string): "ipv4" | "ipv6" => (isIPv6(address) ? "ipv6" : "ipv4");

/** One network: `10.0.0.0/8`, `2001:db8::/32`, or one address, which becomes a network of itself. */
export const network = () =>
  z.string().transform((text, context): string => {
    const [address = "", length, ...rest] = text.trim().split("/");
    const longest = isIPv4(address) ? 32 : 128;
    const isPrefix = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= longest);
    if (rest.length > 0 || !isPrefix || !(isIPv4(address) || isIPv6(address)) || address.includes("%")) {
      return refuse(`"${text}" is not a network, for example "10.0.0.0/8" or "2001:db8::/32"`);
    }
    if (isIPv6(address) && plainAddress(address) !== address) {
      return refuse(`"${text}" is an IPv4 network written as IPv6; write it as IPv4`);
    }
    return `${address.toLowerCase()}/${Number(length ?? longest)}`;

    function refuse(message: string): never {
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
  });

/** Networks with commas between them, for a setting. */
export const addressList = () =>
  z
    .string()
    .transform((text) =>
      text
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== ""),
    )
    .pipe(z.array(network()).max(mostNetworks))
    .transform(createAddressList);

/** `networks` are as `network` gives them. */
export function createAddressList(networks: readonly string[]): AddressList {
  // One per family: a BlockList sees an IPv4 address as IPv6 as well, and "::/0" would let in all of IPv4.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const text of networks) {
    const [address = "", length = ""] = text.split("/");
    lists[family(address)].addSubnet(address, Number(length), family(address));
  }
  return {
    networks,
    includes: (given) => {
      const address = plainAddress(given);
      return (isIPv4(address) || isIPv6(address)) && lists[family(address)].check(address, family(address));
    },
  };
}

/** An IPv4 address that a listener for both kinds shows as IPv6 (RFC 4291 2.5.5.2), as what it is. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}
