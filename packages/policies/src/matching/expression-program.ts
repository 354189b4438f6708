import type { RE2JS } from "re2js";
import { z } from "zod";

/*
 * The compiled form of an expression, to ask of it what matching cannot: whether it matches anything of a given form. re2js
 * does not publish it, so its shape is checked here, and the package's version is pinned.
 */

/** Operations of re2js (its class Inst). */
const operation = { alt: 1, altMatch: 2, fail: 5, match: 6, firstRune: 8, lastRune: 11 };

const programSchema = z.object({
  inst: z.array(
    z.object({
      op: z.int().min(1).max(operation.lastRune),
      out: z.int(),
      arg: z.int(),
    }),
  ),
  start: z.int(),
});

/** A character that may come next, and the place after it. */
interface Choice {
  readonly matches: (rune: number) => boolean;
  readonly next: number;
}

/** What may follow at a place: one of the choices, or the end. */
export interface ProgramPlace {
  readonly choices: readonly Choice[];
  readonly mayEnd: boolean;
}

export interface ExpressionProgram {
  readonly start: number;
  /** Places are numbered below this. */
  readonly size: number;
  readonly at: (place: number) => ProgramPlace;
}

/** Assertions (^, $, \b) are taken as true: what is found is then possible, not certain. */
export function programOf(expression: RE2JS): ExpressionProgram {
  const { prog } = expression.re2();
  const { inst, start } = programSchema.parse(prog);
  const places = new Map<number, ProgramPlace>();

  function read(place: number): ProgramPlace {
    const choices: Choice[] = [];
    let mayEnd = false;
    const seen = new Set<number>();
    const open = [place];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const instruction = inst[index];
      if (instruction !== undefined && !seen.has(index)) {
        seen.add(index);
        const { op, out, arg } = instruction;
        if (op >= operation.firstRune) {
          const own: { readonly matchRune: (rune: number) => boolean } = prog.inst[index];
          choices.push({ matches: (rune) => own.matchRune(rune), next: out });
        } else if (op === operation.match) mayEnd = true;
        else if (op === operation.alt || op === operation.altMatch) open.push(arg, out);
        else if (op !== operation.fail) open.push(out);
      }
    }
    return { choices, mayEnd };
  }

  return {
    start,
    size: inst.length,
    at(place) {
      const known = places.get(place);
      if (known !== undefined) return known;
      const made = read(place);
      places.set(place, made);
      return made;
    },
  };
}
