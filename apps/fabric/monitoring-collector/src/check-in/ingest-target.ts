/** Where monitoring-ingest is. */
export interface IngestTarget {
  readonly host: string;
  readonly port: number;
}

/** "host:port" or "[v6]:port", checked by the configuration. */
export function parseTarget(address: string): IngestTarget {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}
