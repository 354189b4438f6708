import type { ExpressionProgram } from "./expression-program.ts";
import type { TemplatePart } from "./uri-template.ts";

/** Characters that a variable of a path may stand for (RFC 3986 pchar), those that people use most first. */
const variableRunes = Array.from(
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~%!$&'()*+,;=:@",
  (character) => character.codePointAt(0) ?? 0,
);

/** One step along a template: a character of a literal, or one or more of a variable. */
export type TemplateStep = { readonly rune: number } | { readonly variable: true };

/**
 * A path that both the template and the expression match, or undefined if there is none: an exact search through both at
 * once, not a guess by examples.
 */
export function findCommonPath(steps: readonly TemplateStep[], program: ExpressionProgram): string | undefined {
  // A state is a place in the template, whether a variable there has a character already, and an instruction.
  const width = program.instructions.length;
  const seen = new Set<number>();
  const queue: State[] = [];
  const push = (state: State): void => {
    const id = (state.step * 2 + (state.isInside ? 1 : 0)) * width + state.instruction;
    if (seen.has(id)) return;
    seen.add(id);
    queue.push(state);
  };
  push({ step: 0, isInside: false, instruction: program.start, previous: undefined, rune: undefined });
  for (const state of queue) {
    if (isFinal(state, steps, program)) return pathTo(state);
    expand(state, { steps, program, push });
  }
  return undefined;
}

interface State {
  readonly step: number;
  /** In a variable that stands for one character at least already. */
  readonly isInside: boolean;
  readonly instruction: number;
  readonly previous: State | undefined;
  readonly rune: number | undefined;
}

/** A template as `findCommonPath` takes it. */
export function stepsOf(template: readonly TemplatePart[]): readonly TemplateStep[] {
  return template.flatMap((part): readonly TemplateStep[] =>
    "literal" in part
      ? Array.from(part.literal, (character) => ({ rune: character.codePointAt(0) ?? 0 }))
      : [{ variable: true }],
  );
}

function isFinal(
  { step, isInside, instruction }: State,
  steps: readonly TemplateStep[],
  program: ExpressionProgram,
): boolean {
  const isAtEnd = step === steps.length || (isInside && step === steps.length - 1);
  return isAtEnd && program.instructions[instruction]?.kind === "match";
}

function expand(
  state: State,
  {
    steps,
    program,
    push,
  }: {
    readonly steps: readonly TemplateStep[];
    readonly program: ExpressionProgram;
    readonly push: (state: State) => void;
  },
): void {
  const instruction = program.instructions[state.instruction];
  if (instruction === undefined || instruction.kind === "fail" || instruction.kind === "match") return;
  if (instruction.kind === "jump") {
    for (const next of instruction.next) push({ ...state, instruction: next, previous: state, rune: undefined });
    return;
  }
  const step = steps[state.step];
  if (step === undefined) return;
  // A variable that has its first character may end here.
  if (state.isInside) {
    push({ ...state, step: state.step + 1, isInside: false, previous: state, rune: undefined });
  }
  if ("rune" in step) {
    if (instruction.matches(step.rune)) {
      push({ step: state.step + 1, isInside: false, instruction: instruction.next, previous: state, rune: step.rune });
    }
    return;
  }
  const rune = variableRunes.find((candidate) => instruction.matches(candidate));
  if (rune !== undefined) {
    push({ step: state.step, isInside: true, instruction: instruction.next, previous: state, rune });
  }
}

function pathTo(state: State): string {
  const runes: number[] = [];
  for (let at: State | undefined = state; at !== undefined; at = at.previous) {
    if (at.rune !== undefined) runes.push(at.rune);
  }
  return String.fromCodePoint(...runes.toReversed());
}
