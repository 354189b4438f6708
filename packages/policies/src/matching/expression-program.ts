import type { RE2JS } from "re2js";
import { z } from "zod";

/*
 * The compiled form of an expression, to ask of it what matching cannot: whether it matches anything of a given form. re2js
 * does not publish it, so its shape is checked here, and the package's version is pinned.
 */

/** Operations of re2js (its class Inst). */
const operation = {
  alt: 1,
  altMatch: 2,
  capture: 3,
  emptyWidth: 4,
  fail: 5,
  match: 6,
  nop: 7,
  firstRune: 8,
  lastRune: 11,
};

const programSchema = z.object({
  inst: z.array(
    z.object({
      op: z.int().min(1).max(operation.lastRune),
      out: z.int(),
      arg: z.int(),
      matchRune: z.custom<(rune: number) => boolean>((value) => typeof value === "function").optional(),
    }),
  ),
  start: z.int(),
});

type Instruction =
  | { readonly kind: "rune"; readonly matches: (rune: number) => boolean; readonly next: number }
  | { readonly kind: "jump"; readonly next: readonly number[] }
  | { readonly kind: "match" }
  | { readonly kind: "fail" };

export interface ExpressionProgram {
  readonly start: number;
  readonly instructions: readonly Instruction[];
}

/** Assertions (^, $, \b) are taken as true: what is found is then possible, not certain. */
export function programOf(expression: RE2JS): ExpressionProgram {
  const { prog } = expression.re2();
  const program = programSchema.parse(prog);
  return {
    start: program.start,
    instructions: program.inst.map(({ op, out, arg }, index): Instruction => {
      if (op >= operation.firstRune) {
        const own: { readonly matchRune: (rune: number) => boolean } = prog.inst[index];
        return { kind: "rune", matches: (rune) => own.matchRune(rune), next: out };
      }
      if (op === operation.match) return { kind: "match" };
      if (op === operation.fail) return { kind: "fail" };
      return { kind: "jump", next: op === operation.alt || op === operation.altMatch ? [out, arg] : [out] };
    }),
  };
}
