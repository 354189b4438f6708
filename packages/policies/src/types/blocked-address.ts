import { BlockList, isIP } from "node:net";

const blocked = new BlockList();
// Link-local, where clouds answer for the machine itself (169.254.169.254, fe80::a9fe:a9fe), and what is nobody's address.
blocked.addSubnet("169.254.0.0", 16, "ipv4");
blocked.addSubnet("0.0.0.0", 8, "ipv4");
blocked.addSubnet("224.0.0.0", 3, "ipv4");
blocked.addSubnet("fe80::", 10, "ipv6");
blocked.addSubnet("ff00::", 8, "ipv6");
blocked.addAddress("::", "ipv6");
// The same addresses seen through NAT64 (RFC 6052) and 6to4 (RFC 3056).
blocked.addSubnet("64:ff9b::a9fe:0", 112, "ipv6");
blocked.addSubnet("2002:a9fe::", 32, "ipv6");
// Metadata services that are not link-local: of AWS over IPv6, Alibaba, Azure, Oracle.
blocked.addAddress("fd00:ec2::254", "ipv6");
blocked.addAddress("100.100.100.200", "ipv4");
blocked.addAddress("168.63.129.16", "ipv4");
blocked.addAddress("192.0.0.192", "ipv4");

/**
 * Whether no policy may ask this address: whoever could make a gateway do so could make the cloud hand out the machine's
 * credentials. Private networks and loopback are the operator's own business.
 * @param address of IPv4 or IPv6, a zone and brackets allowed; a name is never blocked
 */
export function isBlockedAddress(address: string): boolean {
  const bare = address.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  const family = isIP(bare);
  return family !== 0 && blocked.check(bare, family === 4 ? "ipv4" : "ipv6");
}
