import fc from "fast-check";
import { expect, test } from "vitest";
import { addressLength, writeAddress, type AddressDetail } from "./client-address.ts";

const ownKey = new Uint8Array(32).fill(7);

function reported(text: string, detail: AddressDetail, key = ownKey): string {
  const table = new Uint8Array(3 * addressLength).fill(0xaa);
  writeAddress(text, detail, { table, offset: addressLength, key });
  const around = [...table.subarray(0, addressLength), ...table.subarray(2 * addressLength)];
  expect(around.every((byte) => byte === 0xaa)).toBe(true);
  return Buffer.from(table.subarray(addressLength, 2 * addressLength)).toString("hex");
}

const nothing = "0".repeat(32);

test.each([
  ["203.0.113.77", "00000000000000000000ffffcb00714d"],
  ["0.0.0.0", "00000000000000000000ffff00000000"],
  ["::ffff:203.0.113.77", "00000000000000000000ffffcb00714d"],
  ["2001:db8::1", "20010db8000000000000000000000001"],
  ["2001:db8:1:2:3:4:5:6", "20010db8000100020003000400050006"],
  ["fe80::1%eth0", "fe800000000000000000000000000001"],
  ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
  ["not an address", nothing],
  ["203.0.113", nothing],
  ["203.0.113.256", nothing],
  ["203.0.113.7.1", nothing],
  ["203..113.7", nothing],
  ["", nothing],
])("reads %s", (text, bytes) => {
  expect(reported(text, "full")).toBe(bytes);
});

test.each([
  ["203.0.113.77", "00000000000000000000ffffcb007100"],
  ["2001:db8:1:2:3:4:5:6", "20010db8000100000000000000000000"],
  ["::ffff:203.0.113.77", "00000000000000000000ffffcb007100"],
])("tells of %s only the network when truncated (META)", (text, bytes) => {
  expect(reported(text, "truncated")).toBe(bytes);
});

test("tells nothing when it is not wanted", () => {
  expect(reported("203.0.113.77", "none")).toBe(nothing);
});

test("a hashed address is the same for the same client and key, another one for another key, and none that exists", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV4(), (one, other) => {
      const hashed = reported(one, "hashed");
      expect(hashed).toBe(reported(one, "hashed"));
      expect(hashed).not.toBe(reported(one, "hashed", new Uint8Array(32)));
      expect(hashed.startsWith("fd")).toBe(true);
      if (one !== other) expect(hashed).not.toBe(reported(other, "hashed"));
    }),
  );
});

test("every address that is one is read", () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      const last = text.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
      expect(reported(text, "full")).toBe(`${"0".repeat(20)}ffff${last.join("")}`);
    }),
  );
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      if (!/^:*(0:)*:?$/.test(text)) expect(reported(text, "full")).not.toBe(nothing);
    }),
  );
});
