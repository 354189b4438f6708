import { isIPv4, isIPv6 } from "node:net";

/** IPv4 in IPv6 (RFC 4291 section 2.5.5.2) is IPv4. */
const mappedPattern = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

export type Address = { readonly family: "ipv4" | "ipv6"; readonly text: string };

/** Read an address, without port; brackets and a zone are taken off. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: "ipv4", text };
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  const mapped = mappedPattern.exec(bare)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return { family: "ipv4", text: mapped };
  return isIPv6(bare) ? { family: "ipv6", text: bare } : undefined;
}

/** What limits count an address as: itself, or its /64 for IPv6, of which everybody has plenty. */
export function addressSubject(text: string): string {
  const address = parseAddress(text);
  if (address === undefined) return "";
  return address.family === "ipv4" ? address.text : networkOf(address.text);
}

/** First four groups of an IPv6 address, without leading zeros. */
function networkOf(address: string): string {
  const [head = "", tail] = address.toLowerCase().split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  // A dotted end stands for two groups.
  const written = before.length + after.length + (address.includes(".") ? 1 : 0);
  const zeros = tail === undefined ? 0 : 8 - written;
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
