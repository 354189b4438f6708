import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createDerTemplate } from "./der-template.ts";

const encode = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(AsnConvert.serialize(new OctetString(new Uint8Array(bytes))));
const slots = (bytes: Uint8Array): readonly Uint8Array[] => [bytes];
const [a, b] = [new Uint8Array(16).fill(7), new Uint8Array(16).fill(8)];

test("gives the library's encoding for any fields", () => {
  const template = createDerTemplate({ encode, slots, samples: [a, b] });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      expect(template(bytes)).toEqual(encode(bytes));
    }),
  );
});

test("refuses a slot of another length", () => {
  const template = createDerTemplate({ encode, slots, samples: [a, b] });
  expect(() => template(new Uint8Array(15))).toThrow("another length");
});

test("cannot be made when more differs than the slots", () => {
  expect(() => createDerTemplate({ encode, slots: (bytes) => [bytes.subarray(0, 8)], samples: [a, b] })).toThrow();
  const halves = { encode, slots: (bytes: Uint8Array) => [bytes.subarray(0, 8)] };
  const [c, d] = [Uint8Array.from({ length: 16 }, (_, i) => i), Uint8Array.from({ length: 16 }, (_, i) => i + 100)];
  expect(() => createDerTemplate({ ...halves, samples: [c, d] })).toThrow("differs in more");
});
