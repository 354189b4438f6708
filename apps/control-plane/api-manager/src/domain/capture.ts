import { type Capture, CapturePart } from "@drawbridge/contracts/apis/v1/capture";
import { isNeverRevealed, parseCapturePath, parseRedactRule } from "@drawbridge/policies";
import { fieldError, type FieldProblem } from "./field-error.ts";
import { limits, textProblems } from "./limits.ts";

/** What an operator orders; who starts it gives id, start and end. */
export type CaptureOrder = Omit<Capture, "captureId" | "startsAt" | "expiresAt">;

const most = { methods: 10, pathTemplates: 20, clientApplications: 20, paths: 100 } as const;
/**
 * Each list as it was given, each entry once.
 * @throws DrawbridgeError `CAPTURE_INVALID` (invalid_argument), with fields
 */
export function assertCapture(order: CaptureOrder, durationSeconds: number): CaptureOrder {
  const { samplePerMillion, methods, pathTemplates, statusClasses, clientApplications, parts, reveal, redact } = order;
  const problems = [
    ...numberProblems("durationSeconds", durationSeconds, limits.captureSeconds),
    ...numberProblems("samplePerMillion", samplePerMillion, 1_000_000),
    ...numberProblems("exchangesPerSecond", order.exchangesPerSecond, 100),
    ...numberProblems("exchanges", order.exchanges, 100_000),
    ...listProblems("methods", methods, most.methods, (method) =>
      /^[A-Z]{1,20}$/.test(method) ? undefined : "must be a method in upper case",
    ),
    ...listProblems("pathTemplates", pathTemplates, most.pathTemplates, (template) =>
      /^\/[^\s\p{Cc}?#]{0,399}$/u.test(template)
        ? undefined
        : 'must be a template as analytics tell it: "/orders/{id}"',
    ),
    ...listProblems("statusClasses", statusClasses, 5, (digit) =>
      digit >= 1 && digit <= 5 ? undefined : "must be 1 to 5",
    ),
    ...listProblems("clientApplications", clientApplications, most.clientApplications, (name) =>
      textProblem(name, 128),
    ),
    ...(parts.length === 0 ? [{ field: "parts", message: "must name at least one" }] : []),
    ...listProblems("parts", parts, 5, (part) => (isPart(part) ? undefined : "is no part of an exchange")),
    ...listProblems("reveal", reveal, most.paths, revealProblem),
    ...listProblems("redact", redact, most.paths, redactProblem),
  ];
  if (problems.length > 0) throw fieldError("CAPTURE_INVALID", problems);
  return {
    ...order,
    methods: distinct(methods),
    pathTemplates: distinct(pathTemplates),
    statusClasses: distinct(statusClasses),
    clientApplications: distinct(clientApplications),
    parts: distinct(parts),
    reveal: distinct(reveal),
    redact: distinct(redact),
  };
}

/** What an operator may not have meant: one sentence each. */
export function captureWarnings(
  { reveal }: Pick<CaptureOrder, "reveal">,
  api: { readonly apps: readonly unknown[] },
): readonly string[] {
  return [
    ...(api.apps.length === 0 ? ["no app is bound to this API: there is nothing to capture"] : []),
    ...reveal
      .filter((path) => namesOf(path).some(isNeverRevealed))
      .map((path) => `${path} stays masked: what has such a name is never revealed`),
  ];
}

function namesOf(path: string): readonly string[] {
  const parsed = parseCapturePath(path);
  if (parsed?.place !== "body") return parsed === undefined ? [] : [parsed.name];
  return parsed.steps.flatMap((step) => (step.step === "name" ? [step.name] : []));
}

function isPart(part: CapturePart): boolean {
  return part !== CapturePart.CAPTURE_PART_UNSPECIFIED && Object.values<number>(CapturePart).includes(part) && part > 0;
}

function revealProblem(path: string): string | undefined {
  if (parseCapturePath(path) !== undefined) return undefined;
  return 'must be the path of a value: "$.order.items[*].sku", "header.content-type", "query.page"';
}

function redactProblem(rule: string): string | undefined {
  if (parseRedactRule(rule) !== undefined) return undefined;
  return 'must be a path, "$.customer", "header.x-user", "query.name", or a name, "email"';
}

function textProblem(text: string, atMost: number): string | undefined {
  return textProblems("", text, { atLeast: 1, atMost })[0]?.message;
}

function numberProblems(field: string, value: number, atMost: number): readonly FieldProblem[] {
  if (Number.isInteger(value) && value >= 1 && value <= atMost) return [];
  return [{ field, message: `must be a whole number from 1 to ${atMost}` }];
}

/** The first entry that is wrong, by its place. */
function listProblems<T>(
  field: string,
  entries: readonly T[],
  atMost: number,
  problemOf: (entry: T) => string | undefined,
): readonly FieldProblem[] {
  if (entries.length > atMost) return [{ field, message: `must be at most ${atMost}` }];
  return entries
    .flatMap((entry, index) => {
      const message = problemOf(entry);
      return message === undefined ? [] : [{ field: `${field}.${index}`, message }];
    })
    .slice(0, 1);
}

function distinct<T>(entries: readonly T[]): T[] {
  return [...new Set(entries)];
}
