import { availableParallelism, totalmem } from "node:os";

/** What a drill is told. */
export interface DrillOptions {
  /** How often it breaks something; each drill has its own default. */
  readonly rounds: number | undefined;
  /** Makes the order of faults repeatable. */
  readonly seed: number;
  /** One line per step, as it happens. */
  readonly say: (line: string) => void;
}

export interface DrillFigure {
  readonly value: number;
  readonly unit: string;
}

/** What came out. */
export interface DrillReport {
  readonly figures: Readonly<Record<string, DrillFigure>>;
  /** Each with what was found: broken if it is not empty. */
  readonly invariants: Readonly<Record<string, readonly string[]>>;
}

export type Drill = (options: DrillOptions) => Promise<DrillReport>;

export function isHeld(report: DrillReport): boolean {
  return Object.values(report.invariants).every((findings) => findings.length === 0);
}

const shownFindings = 10;

/** The table for people: figures, then invariants with the first findings of a broken one. */
export function formatReport(report: DrillReport): string {
  const names = [...Object.keys(report.figures), ...Object.keys(report.invariants)];
  const width = Math.max(...names.map((name) => name.length));
  const figures = Object.entries(report.figures).map(
    ([name, { value, unit }]) =>
      `${name.padEnd(width)}  ${value.toLocaleString("en", { maximumFractionDigits: 2 })} ${unit}`,
  );
  const invariants = Object.entries(report.invariants).flatMap(([name, findings]) => {
    const verdict = findings.length === 0 ? "held" : `BROKEN, ${findings.length} findings`;
    const shown = findings.slice(0, shownFindings).map((finding) => `  ${finding}`);
    return [`${name.padEnd(width)}  ${verdict}`].concat(shown);
  });
  return [...figures, ...invariants].join("\n");
}

/** The line for programs. */
export function reportLine(name: string, report: DrillReport): string {
  return JSON.stringify({
    drill: name,
    machine: {
      cpus: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    figures: report.figures,
    invariants: Object.fromEntries(
      Object.entries(report.invariants).map(([invariant, findings]) => [invariant, findings.length === 0]),
    ),
  });
}
