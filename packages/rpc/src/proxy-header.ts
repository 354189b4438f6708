import { isIPv4, isIPv6, SocketAddress } from "node:net";

/** What the first bytes of a connection are, read as a PROXY protocol header (HAProxy's specification 2.3, 2.1 and 2.2). */
export type ProxyHeader =
  /** More bytes are needed. */
  | { readonly state: "incomplete" }
  | { readonly state: "invalid"; readonly reason: string }
  /** `source` is undefined if the proxy speaks for itself, as for its health checks. */
  | { readonly state: "complete"; readonly source: string | undefined; readonly lengthBytes: number };

/** A header that is longer, extensions included, is refused before it is read. */
export const longestProxyHeader = 16 + 1_024;

const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const textStart = Buffer.from("PROXY ", "latin1");
/** Of version 1, with the line end. */
const longestLine = 107;
const fixedBytes = 16;
const port = "(?:0|[1-9][0-9]{0,4})";
const linePattern = new RegExp(`^PROXY (TCP4|TCP6) ([^ ]+) ([^ ]+) (${port}) (${port})$`);
const incomplete = { state: "incomplete" } as const;

/** Read the header at the start of `bytes`; what follows it is not looked at. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, signature)) return bytes.length < fixedBytes ? incomplete : parseBinary(bytes);
  if (startsLike(bytes, textStart)) return bytes.length < textStart.length ? incomplete : parseLine(bytes);
  return invalid("it does not begin with a PROXY header");
}

/** Whether they agree as far as the shorter goes. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function parseLine(bytes: Buffer): ProxyHeader {
  const end = bytes.indexOf("\n", 0, "latin1");
  if (end === -1) return bytes.length < longestLine ? incomplete : invalid("version 1: no line end in 107 bytes");
  const lengthBytes = end + 1;
  if (lengthBytes > longestLine) return invalid("version 1: no line end in 107 bytes");
  if (bytes[end - 1] !== 0x0d) return invalid("version 1: the line ends without a carriage return");
  const line = bytes.toString("latin1", 0, end - 1);
  // What follows is to be ignored (2.1).
  if (line === "PROXY UNKNOWN" || line.startsWith("PROXY UNKNOWN "))
    return { state: "complete", source: undefined, lengthBytes };
  const [, family, source = "", destination = "", ...ports] = linePattern.exec(line) ?? [];
  if (family === undefined) return invalid("version 1: malformed line");
  const isAddress = family === "TCP4" ? isIPv4 : isPlainIPv6;
  if (!isAddress(source) || !isAddress(destination)) return invalid(`version 1: an address is not one of ${family}`);
  if (ports.some((text) => Number(text) > 65_535)) return invalid("version 1: a port above 65535");
  return { state: "complete", source: family === "TCP4" ? source : canonicalIPv6(source), lengthBytes };
}

function parseBinary(bytes: Buffer): ProxyHeader {
  const version = bytes.readUInt8(12) >> 4;
  const command = bytes.readUInt8(12) & 0x0f;
  const transport = bytes.readUInt8(13);
  const lengthBytes = fixedBytes + bytes.readUInt16BE(14);
  if (version !== 2) return invalid(`version ${version}`);
  if (command > 1) return invalid(`version 2: command ${command}`);
  if (lengthBytes > longestProxyHeader) return invalid(`version 2: ${lengthBytes} bytes`);
  if (bytes.length < lengthBytes) return incomplete;
  // The proxy itself, or a connection whose ends it does not tell: its own address counts (2.2).
  if (command === 0 || transport === 0x00) return { state: "complete", source: undefined, lengthBytes };
  const addresses = bytes.subarray(fixedBytes, lengthBytes);
  switch (transport) {
    case 0x11: // TCP over IPv4
      if (addresses.length < 12) return invalid("version 2: addresses are cut short");
      return { state: "complete", source: addresses.subarray(0, 4).join("."), lengthBytes };
    case 0x21: // TCP over IPv6
      if (addresses.length < 36) return invalid("version 2: addresses are cut short");
      return { state: "complete", source: ipv6Of(addresses.subarray(0, 16)), lengthBytes };
    default:
      return invalid(`version 2: transport 0x${transport.toString(16).padStart(2, "0")}`);
  }
}

function invalid(reason: string): ProxyHeader {
  return { state: "invalid", reason };
}

/** Without a zone, which means something on the proxy only. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes("%");
}

function ipv6Of(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return canonicalIPv6(groups.join(":"));
}

function canonicalIPv6(address: string): string {
  return new SocketAddress({ address, family: "ipv6" }).address;
}
