/** One column of a block: values are appended, then all are encoded at once. */
export interface NativeColumn {
  /** ClickHouse's name of the type, as it stands in the file. */
  readonly type: string;
  readonly rows: number;
  /** Forget the values, keep the memory. */
  clear(): void;
  /** The column's bytes in the Native format; valid until the next append. */
  encode(): readonly Uint8Array[];
}
