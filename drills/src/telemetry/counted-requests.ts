import type { TestStack } from "@drawbridge/local/testing";
import { rest } from "../stack/rest.ts";
import { pathOfStep } from "./step-load.ts";

interface Answer {
  readonly rows: readonly {
    readonly group: Readonly<Record<string, string>>;
    readonly values: Readonly<Record<string, number | null>>;
  }[];
  readonly missingRequests: number;
  readonly source: string;
}

export interface Counted {
  /** By step: requests of the API that its app answered, from the table of single requests. */
  readonly bySteps: readonly number[];
  /** The same all together, from a roll-up. */
  readonly rolledUp: number;
  /** Known to be missing, of all gateways. */
  readonly missing: number;
}

const analytics = "/v1/environments/production/analytics";
/** Answered by examples/hello, which does not know the paths of steps. */
const ofTheApp = "where=statusClass%3D4xx&where=disposition%3Dprocessed";

export async function countRequests(
  stack: TestStack,
  options: { api: string; steps: number; from: Date },
): Promise<Counted> {
  const selection = `from=${options.from.toISOString()}&where=api%3D${options.api}&${ofTheApp}`;
  const ask = (query: string): Promise<Answer> => rest<Answer>(stack, `${analytics}?${selection}&${query}`);
  const single = await ask("groupBy=resourcePath&limit=10000");
  const together = await ask("groupBy=statusClass");
  const of = (path: string): number =>
    single.rows.find(({ group }) => group["resourcePath"] === path)?.values["requests"] ?? 0;
  return {
    bySteps: Array.from({ length: options.steps }, (_, step) => of(pathOfStep(step))),
    rolledUp: together.rows[0]?.values["requests"] ?? 0,
    missing: single.missingRequests,
  };
}

/** Asked until two answers in a row, some seconds apart, are the same and as many as wanted, or a minute is over. */
export async function settledCount(
  count: () => Promise<Counted>,
  wanted: number,
  clock: { sleep(ms: number): Promise<void> },
): Promise<Counted> {
  const attempts = 20;
  let last = await count();
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    await clock.sleep(3_000);
    const next = await count();
    const total = (of: Counted): number => of.bySteps.reduce((sum, requests) => sum + requests, 0);
    if (total(next) + next.missing >= wanted && total(next) === total(last)) return next;
    last = next;
  }
  return last;
}
