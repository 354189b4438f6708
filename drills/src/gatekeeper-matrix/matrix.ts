import { cells, type EventName } from "./cells.ts";
import type { Answer, GateLoad } from "./gate-load.ts";
import type { Gateway } from "./gateway.ts";
import { appAt, levels, type Level } from "./levels.ts";
import { settle } from "./settle.ts";

export interface Matrix {
  /** Wait until every level's gate stands as it must after `event`, then look who answers. */
  expect(event: EventName): Promise<void>;
  /** Cells looked at. */
  seen(): number;
}

export function createMatrix(deps: {
  readonly gateway: Gateway;
  readonly loads: ReadonlyMap<Level, GateLoad>;
  readonly findings: string[];
  readonly say: (line: string) => void;
}): Matrix {
  const { gateway, findings, say } = deps;
  let seen = 0;

  /** Of all deployments: an old one may be on its way out. */
  async function stateOf(level: Level): Promise<string> {
    const { gates } = await gateway.view();
    const states = new Set(gates.filter(({ app }) => app === appAt(level)).map(({ state }) => state));
    return [...states].toSorted().join(" and ");
  }

  async function lookAt(event: EventName, level: Level): Promise<string> {
    const [state, answer] = cells[event][level];
    const found = await settle(
      () => stateOf(level),
      (now) => now === state,
    );
    seen += 1;
    if (found !== state) {
      findings.push(`${event}, ${level}: the gate is ${found ?? "not to be asked"}, not ${state}`);
      return `${found}, not ${state}`;
    }
    // A gate is decided before anybody listens: the first answer of a gateway that was killed comes a moment later.
    const answers = await settle(
      async () => (await deps.loads.get(level)?.next()) ?? [],
      (by) => !by.includes("nobody"),
    );
    const wrong = (answers ?? []).filter((by: Answer) => by !== answer);
    if (wrong.length > 0) findings.push(`${event}, ${level}: answered by ${wrong.join(" and ")}, not by ${answer}`);
    return state;
  }

  return {
    seen: () => seen,
    expect: async (event) => {
      const found: string[] = [];
      for (const level of levels) found.push(`${level} ${await lookAt(event, level)}`);
      say(`${event}: ${found.join(", ")}`);
    },
  };
}
