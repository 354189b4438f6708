import { describe, expect, test } from "vitest";
import { longestProxyHeader, parseProxyHeader } from "./proxy-header.ts";

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb];
const v6 = [
  0x20,
  0x01,
  0x0d,
  0xb8,
  ...Array(11).fill(0),
  1,
  0x20,
  0x01,
  0x0d,
  0xb8,
  ...Array(11).fill(0),
  2,
  0,
  1,
  0,
  2,
];

/** A header of version 2. */
function binary(change: {
  readonly versionAndCommand?: number;
  readonly transport?: number;
  readonly rest?: readonly number[];
  readonly length?: number;
}): Buffer {
  const { versionAndCommand = 0x21, transport = 0x11, rest = v4, length = rest.length } = change;
  return Buffer.from([...signature, versionAndCommand, transport, length >> 8, length & 0xff, ...rest]);
}

const text = (line: string): Buffer => Buffer.from(line, "latin1");

const wellFormed: readonly (readonly [string, Buffer, string | undefined])[] = [
  ["TCP4", text("PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n"), "192.0.2.7"],
  ["TCP6", text("PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n"), "2001:db8::1"],
  ["TCP6 written out", text("PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 0 65535\r\n"), "2001:db8::1"],
  ["UNKNOWN", text("PROXY UNKNOWN\r\n"), undefined],
  ["UNKNOWN with addresses", text("PROXY UNKNOWN ffff::1 whatever 1 2\r\n"), undefined],
  ["the longest line", text(`PROXY UNKNOWN ${"f".repeat(91)}\r\n`), undefined],
  ["version 2, IPv4", binary({}), "192.0.2.7"],
  ["version 2, IPv6", binary({ transport: 0x21, rest: v6 }), "2001:db8::1"],
  ["version 2, IPv4 with extensions", binary({ rest: [...v4, 0xea, 0, 2, 1, 2] }), "192.0.2.7"],
  ["version 2, LOCAL", binary({ versionAndCommand: 0x20, transport: 0, rest: [] }), undefined],
  ["version 2, LOCAL with addresses", binary({ versionAndCommand: 0x20 }), undefined],
  ["version 2, unspecified transport", binary({ transport: 0, rest: [1, 2, 3] }), undefined],
  ["version 2, the longest", binary({ rest: [...v4, ...Array<number>(1_012).fill(7)] }), "192.0.2.7"],
];

describe.each(wellFormed)("%s", (_name, header, source) => {
  test("is read, whatever follows it (R14)", () => {
    const expected = { state: "complete", source, lengthBytes: header.length };
    expect(parseProxyHeader(header)).toEqual(expected);
    for (const rest of ["\x16\x03\x01", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", "\n"]) {
      expect(parseProxyHeader(Buffer.concat([header, text(rest)]))).toEqual(expected);
    }
  });

  test("is waited for, byte by byte (R14)", () => {
    for (let length = 0; length < header.length; length += 1) {
      expect(parseProxyHeader(header.subarray(0, length))).toEqual({ state: "incomplete" });
    }
  });
});

test.each<readonly [string, Buffer]>([
  ["a TLS handshake", Buffer.from([0x16, 0x03, 0x01, 0x02])],
  ["an HTTP request", text("GET / HTTP/1.1\r\n")],
  ["lower case", text("proxy TCP4")],
  ["a single wrong byte", text("PROXI")],
  ["version 1 without a carriage return", text("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n")],
  ["version 1 without a protocol", text("PROXY \r\n")],
  ["version 1 with another protocol", text("PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n")],
  ["version 1 UNKNOWNS", text("PROXY UNKNOWNS\r\n")],
  ["version 1 with two blanks", text("PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n")],
  ["version 1 with a blank at the end", text("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n")],
  ["version 1 with a tab", text("PROXY TCP4\t192.0.2.7 198.51.100.1 1 2\r\n")],
  ["version 1 with too little", text("PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n")],
  ["version 1 with too much", text("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n")],
  ["version 1 with another family's source", text("PROXY TCP4 2001:db8::1 198.51.100.1 1 2\r\n")],
  ["version 1 with another family's destination", text("PROXY TCP6 2001:db8::1 198.51.100.1 1 2\r\n")],
  ["version 1 with a name", text("PROXY TCP4 example.com 198.51.100.1 1 2\r\n")],
  ["version 1 with an octet above 255", text("PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n")],
  ["version 1 with an octet with a leading zero", text("PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n")],
  ["version 1 with a zone", text("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n")],
  ["version 1 with a port above 65535", text("PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n")],
  ["version 1 with a port with a leading zero", text("PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n")],
  ["version 1 with a negative port", text("PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n")],
  ["version 1 with a NUL", text("PROXY TCP4 192.0.2.7\0 198.51.100.1 1 2\r\n")],
  ["version 1 of 108 bytes", text(`PROXY UNKNOWN ${"f".repeat(92)}\r\n`)],
  ["version 1 without an end in 107 bytes", text(`PROXY UNKNOWN ${"f".repeat(93)}`)],
  ["version 1 in version 2", binary({ versionAndCommand: 0x11 })],
  ["version 3", binary({ versionAndCommand: 0x31 })],
  ["version 2 with another command", binary({ versionAndCommand: 0x22 })],
  ["version 2 with a short IPv4 block", binary({ rest: v4.slice(1) })],
  ["version 2 with a short IPv6 block", binary({ transport: 0x21, rest: v6.slice(1) })],
  ["version 2 without addresses", binary({ rest: [] })],
  ["version 2, UDP over IPv4", binary({ transport: 0x12 })],
  ["version 2, UDP over IPv6", binary({ transport: 0x22, rest: v6 })],
  ["version 2, UNIX", binary({ transport: 0x31, rest: Array<number>(216).fill(0x2f) })],
  ["version 2, unknown family", binary({ transport: 0x41 })],
  ["version 2, IPv4 over an unknown protocol", binary({ transport: 0x13 })],
  ["version 2, IPv4 over an unspecified protocol", binary({ transport: 0x10 })],
  ["version 2 that says that it is longer than the longest", binary({ length: longestProxyHeader - 15 })],
  ["version 2 of 65535 bytes, of which none is there", binary({ rest: [], length: 65_535 })],
])("%s is no PROXY header, and not waited for (R14)", (_name, bytes) => {
  expect(parseProxyHeader(bytes)).toMatchObject({ state: "invalid" });
});

test("an IPv4 address in an IPv6 header stays what it says (R14)", () => {
  const mapped = [...Array<number>(10).fill(0), 0xff, 0xff, 192, 0, 2, 7, ...v6.slice(16)];
  expect(parseProxyHeader(binary({ transport: 0x21, rest: mapped }))).toMatchObject({ source: "::ffff:192.0.2.7" });
});
