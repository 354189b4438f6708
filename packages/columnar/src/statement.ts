/** One statement as an engine runs it: our own text, bound values, and settings that hold for it alone. */
export interface Statement {
  readonly text: string;
  /** What the server parses each `{name:Type}` from. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly settings: Settings;
}

/** ClickHouse settings by name. */
export type Settings = Readonly<Record<string, string | number>>;
