import fc from "fast-check";
import { expect, test } from "vitest";
import { KnownTexts } from "./known-texts.ts";

/** Somewhere within other bytes, as in a message. */
function numberOf(texts: KnownTexts, text: string, before = ""): number {
  const bytes = Buffer.from(`${before}${text}behind`);
  const begin = Buffer.byteLength(before);
  return texts.numberOf(bytes, begin, begin + Buffer.byteLength(text));
}

test("the same text has the same number, another text another, wherever they lie and however many there are", () => {
  const text = fc.oneof(fc.string({ maxLength: 9 }), fc.string({ unit: "binary", maxLength: 300 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.string({ maxLength: 3 })), { maxLength: 200 }), (asked) => {
      const texts = new KnownTexts();
      const numbers = new Map<string, number>();
      for (const [one, before] of asked) {
        const whole = Buffer.from(one).toString("utf8"); // lone surrogates are not themselves in UTF-8
        const number = numberOf(texts, whole, before);
        expect(texts.textOf(number)).toBe(whole);
        expect(numbers.get(whole) ?? number).toBe(number);
        numbers.set(whole, number);
      }
      expect(texts.size).toBe(numbers.size);
    }),
  );
});

test("numbers stay while the table grows, and begin anew when all is forgotten", () => {
  const texts = new KnownTexts();
  const names = Array.from({ length: 50_000 }, (_, index) => `a name of more than one word, ${index}`);
  const first = names.map((name) => numberOf(texts, name));
  expect(new Set(first).size).toBe(names.length);
  expect(names.map((name) => numberOf(texts, name))).toEqual(first);
  texts.forget();
  expect(texts.size).toBe(0);
  expect(numberOf(texts, "another")).toBe(0);
});

test("texts that were made to meet in one place are told apart, and cost no more than a Map", () => {
  // A change of a word's top bit and of two bits of the next one cancel each other out, whatever the seed is.
  const texts = new KnownTexts();
  const pair = (bit: number): number[] => [1, 2, 3, 4 | (bit << 7), 0, 0, bit, bit << 7];
  const made = Array.from({ length: 1_024 }, (_, index) =>
    Buffer.from(Array.from({ length: 10 }, (_pair, place) => pair((index >> place) & 1)).flat()),
  );
  const ask = (): number[] => made.map((bytes) => texts.numberOf(bytes, 0, bytes.length));
  const first = ask();
  expect(new Set(first).size).toBe(made.length);
  expect(ask()).toEqual(first);
  for (let index = 0; index < 20_000; index += 1) numberOf(texts, `so many others that it grows ${index}`);
  expect(ask()).toEqual(first);
});

test("a text that is longer than any that a batch may have is known all the same", () => {
  const texts = new KnownTexts();
  const long = "x".repeat(10_000);
  expect(numberOf(texts, long)).toBe(numberOf(texts, long));
  expect(texts.textOf(numberOf(texts, long))).toBe(long);
});
