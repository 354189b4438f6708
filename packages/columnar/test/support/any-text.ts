import fc from "fast-check";

/** Text of people, and text that means something to a parser. */
export const anyText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom("\n", "\t", "\r", "\0", "'", "\\", "`", "{", "}", ";", "\u007f", "ä", "a"),
    maxLength: 40,
  }),
);
