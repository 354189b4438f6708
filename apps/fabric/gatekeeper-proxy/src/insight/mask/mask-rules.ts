import {
  parseCapturePath,
  parseRedactRule,
  type CapturePath,
  type CaptureStep,
  type RedactRule,
} from "@drawbridge/policies/capture-path";
import { isNeverRevealed, plainName } from "@drawbridge/policies";
import { createRedactedFields } from "./redacted-fields.ts";

/** What becomes of a value. */
export type Telling = "masked" | "revealed" | "redacted";

/** What one capture and the fabric's owner say together. Redacted beats withheld names, which beat revealed. */
export interface MaskRules {
  header(name: string): Telling;
  query(name: string): Telling;
  /** A field of a form. */
  form(field: { readonly name: string; readonly isNameless: boolean }): Telling;
  /** The whole of a body. */
  body(): MaskPoint;
}

/** A value in a body, and what is said of it and of what is below. */
export interface MaskPoint {
  readonly isRedacted: boolean;
  /** Whether it is told as it came if it is a leaf. */
  readonly isRevealed: boolean;
  member(name: string): MaskPoint;
  element(): MaskPoint;
  /** A reveal path names this member: its name is no secret to whoever ordered. */
  isNamed(name: string): boolean;
}

interface Progress {
  readonly steps: readonly CaptureStep[];
  readonly at: number;
}

/** @param redact rules of the capture and of the owner; one that cannot be read redacts everything. */
export function createMaskRules(reveal: readonly string[], redact: readonly string[]): MaskRules {
  const revealed = reveal.map(parseCapturePath).filter((path) => path !== undefined);
  const rules = redact.map(parseRedactRule);
  const redacted = rules.filter((rule) => rule !== undefined);
  const isEverythingRedacted = redacted.length < rules.length;
  const fields = createRedactedFields(redacted);

  function fieldTelling(place: "header" | "query", name: string): Telling {
    if (isEverythingRedacted || fields.anywhere(name) || fields.at(place, name)) return "redacted";
    return !isNeverRevealed(name) && namesField(revealed, place, name) ? "revealed" : "masked";
  }

  function pointOf(from: {
    readonly reveals: readonly Progress[];
    readonly redacts: readonly Progress[];
    readonly isWithheld: boolean;
    readonly isRedacted: boolean;
  }): MaskPoint {
    const { reveals, redacts, isWithheld } = from;
    const isRedacted = from.isRedacted || redacts.some(isAtEnd);
    return {
      isRedacted,
      isRevealed: !isRedacted && !isWithheld && reveals.some(isAtEnd),
      member: (name) =>
        pointOf({
          reveals: reveals.flatMap((progress) => stepped(progress, (step) => isMember(step, name, "exact"))),
          redacts: redacts.flatMap((progress) => stepped(progress, (step) => isMember(step, name, "plain"))),
          isWithheld: isWithheld || isNeverRevealed(name),
          isRedacted: isRedacted || fields.anywhere(name),
        }),
      element: () =>
        pointOf({
          reveals: reveals.flatMap((progress) => stepped(progress, ({ step }) => step === "each")),
          // Whoever withholds "$.users.name" means it of each of them.
          redacts: distinct(
            redacts.concat(redacts.flatMap((progress) => stepped(progress, ({ step }) => step === "each"))),
          ),
          isWithheld,
          isRedacted,
        }),
      isNamed: (name) => reveals.some(({ steps, at }) => isNameStep(steps[at], name)),
    };
  }

  const begun = (paths: readonly (CapturePath | RedactRule)[]): readonly Progress[] =>
    paths.flatMap((path) => (path.place === "body" ? [{ steps: path.steps, at: 0 }] : []));
  const reveals = begun(revealed);
  const redacts = begun(redacted);
  const body = pointOf({ reveals, redacts, isWithheld: false, isRedacted: isEverythingRedacted });
  return {
    header: (name) => fieldTelling("header", name.toLowerCase()),
    query: (name) => fieldTelling("query", name),
    form: ({ name, isNameless }) => {
      const { isRedacted, isRevealed } = body.member(name);
      if (isRedacted || fields.at("body", name)) return "redacted";
      // "$.*" reveals values that have names.
      return isRevealed && (!isNameless || body.isNamed(name)) ? "revealed" : "masked";
    },
    body: () => body,
  };
}

function namesField(paths: readonly CapturePath[], place: "header" | "query", name: string): boolean {
  return paths.some((path) => path.place === place && path.name === name);
}

function isAtEnd({ steps, at }: Progress): boolean {
  return at === steps.length;
}

function stepped({ steps, at }: Progress, fits: (step: CaptureStep) => boolean): readonly Progress[] {
  const step = steps[at];
  return step !== undefined && fits(step) ? [{ steps, at: at + 1 }] : [];
}

/** Without it "$[*][*][*]" would have twice as many at each level of nested arrays. */
function distinct(all: readonly Progress[]): readonly Progress[] {
  const known = new Map<Progress["steps"], Set<number>>();
  return all.filter(({ steps, at }) => {
    const seen = known.get(steps) ?? new Set();
    known.set(steps, seen);
    return !seen.has(at) && seen.add(at);
  });
}

/** What is withheld is compared as loosely as names are written. */
function isMember(step: CaptureStep, name: string, comparison: "exact" | "plain"): boolean {
  if (step.step !== "name") return step.step === "any";
  return comparison === "exact" ? step.name === name : plainName(step.name) === plainName(name);
}

function isNameStep(step: CaptureStep | undefined, name: string): boolean {
  return step?.step === "name" && step.name === name;
}
