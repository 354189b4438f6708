import type { ExpressionProgram } from "./expression-program.ts";
import type { TemplatePart } from "./uri-template.ts";

/** Characters that a variable of a path may stand for (RFC 3986 pchar), those that people use most first. */
const variableRunes = Array.from(
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~%!$&'()*+,;=:@",
  (character) => character.codePointAt(0) ?? 0,
);

/** One step along a template: a character of a literal, or one or more of a variable. */
export type TemplateStep = { readonly rune: number } | { readonly variable: true };

interface State {
  readonly step: number;
  /** In a variable that stands for one character at least already. */
  readonly isInside: boolean;
  readonly place: number;
  readonly previous: State | undefined;
  readonly rune: number | undefined;
}

/**
 * A path that both the template and the expression match, or undefined if there is none: an exact search through both at
 * once, not a guess by examples.
 */
export function findCommonPath(steps: readonly TemplateStep[], program: ExpressionProgram): string | undefined {
  const seen = new Set<number>();
  const queue: State[] = [];
  const push = (state: State): void => {
    const id = (state.step * 2 + (state.isInside ? 1 : 0)) * program.size + state.place;
    if (seen.has(id)) return;
    seen.add(id);
    queue.push(state);
  };
  push({ step: 0, isInside: false, place: program.start, previous: undefined, rune: undefined });
  for (const state of queue) {
    const { choices, mayEnd } = program.at(state.place);
    const isAtEnd = state.step === steps.length || (state.isInside && state.step === steps.length - 1);
    if (isAtEnd && mayEnd) return pathTo(state);
    // A variable that has its first character may end here.
    if (state.isInside) push({ ...state, step: state.step + 1, isInside: false, previous: state, rune: undefined });
    const step = steps[state.step];
    if (step !== undefined) {
      for (const { matches, next } of choices) {
        const rune = "rune" in step ? runeIf(matches, step.rune) : variableRunes.find(matches);
        if (rune !== undefined) {
          const isInside = !("rune" in step);
          push({ step: isInside ? state.step : state.step + 1, isInside, place: next, previous: state, rune });
        }
      }
    }
  }
  return undefined;
}

function runeIf(matches: (rune: number) => boolean, rune: number): number | undefined {
  return matches(rune) ? rune : undefined;
}

/** A template as `findCommonPath` takes it. */
export function stepsOf(template: readonly TemplatePart[]): readonly TemplateStep[] {
  return template.flatMap((part): readonly TemplateStep[] =>
    "literal" in part
      ? Array.from(part.literal, (character) => ({ rune: character.codePointAt(0) ?? 0 }))
      : [{ variable: true }],
  );
}

function pathTo(state: State): string {
  const runes: number[] = [];
  for (let at: State | undefined = state; at !== undefined; at = at.previous) {
    if (at.rune !== undefined) runes.push(at.rune);
  }
  return String.fromCodePoint(...runes.toReversed());
}
