/** What a gate does from a restart or redeployment on until the policies are applied (GK 5). */
export type GatekeeperLevel = "strict" | "flexible" | "disabled";

/** What an operator may write for the property `anypoint.platform.gatekeeper` or `drawbridge.gatekeeper`. */
export const gatekeeperValues = ["strict", "flexible", "disabled", "true", "false"] as const;
export type GatekeeperValue = (typeof gatekeeperValues)[number];

export type RuntimeVersion = readonly [major: number, minor: number, patch: number];

/** Runtime versions that share defaults and valid values: from `from` up to the next line. */
export interface RuntimeLine {
  readonly label: string;
  readonly from: RuntimeVersion;
  /** "none": these versions have no gatekeeper, which is as if it were disabled. */
  readonly defaultLevel: GatekeeperLevel | "none";
  /** Valid values and the level that each means. */
  readonly values: Readonly<Partial<Record<GatekeeperValue, GatekeeperLevel>>>;
}

const early3 = { strict: "strict", true: "strict", false: "disabled" } as const;
const late3 = { strict: "strict", flexible: "flexible", true: "strict", false: "disabled" } as const;

/**
 * GK 6 and 7, one row per line of runtime versions. Default of 3.8.0 to 3.8.4: the requirement names none; "strict" is
 * what API Manager 1.x had (anchors/gateway.md 5.4).
 */
export const runtimeLines: readonly RuntimeLine[] = [
  { label: "below 3.8.0", from: [0, 0, 0], defaultLevel: "none", values: {} },
  { label: "3.8.0 to 3.8.4", from: [3, 8, 0], defaultLevel: "strict", values: early3 },
  { label: "3.8.5", from: [3, 8, 5], defaultLevel: "strict", values: early3 },
  { label: "3.8.6 and later 3.8.x", from: [3, 8, 6], defaultLevel: "flexible", values: late3 },
  { label: "3.9.0", from: [3, 9, 0], defaultLevel: "strict", values: late3 },
  { label: "3.9.1 and later 3.x", from: [3, 9, 1], defaultLevel: "flexible", values: late3 },
  {
    label: "4.0.x",
    from: [4, 0, 0],
    defaultLevel: "strict",
    values: { strict: "strict", disabled: "disabled" },
  },
  {
    label: "4.1.0 and later",
    from: [4, 1, 0],
    defaultLevel: "flexible",
    values: { strict: "strict", flexible: "flexible", disabled: "disabled" },
  },
];

/** The table as Markdown: what `docs/gatekeeper.md` holds. */
export function levelTableMarkdown(): string {
  const head = ["runtime version", "default", ...gatekeeperValues.map((value) => `\`${value}\``)];
  const rows = runtimeLines.map(({ label, defaultLevel, values }) =>
    [label, defaultLevel === "none" ? "no gatekeeper" : defaultLevel].concat(
      gatekeeperValues.map((value) => values[value] ?? "not valid"),
    ),
  );
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
