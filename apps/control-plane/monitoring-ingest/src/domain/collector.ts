/** A fabric's collector as of its last check-in. */
export interface Collector {
  readonly fabricId: string;
  readonly certificateSerial: string;
  readonly certificateNotAfter: Date;
  readonly version: string;
  readonly bootId: string;
  readonly lastSeenAt: Date;
  /** Its clock minus ours. */
  readonly clockSkewMs: number;
  /** Different certificates, ever. */
  readonly certificatesSeen: number;
}

export interface CollectorRecords {
  find(fabricId: string): Promise<Collector | undefined>;
  /** Keep what a check-in says; a certificate that is not the one of the last check-in is counted. */
  record(collector: Omit<Collector, "certificatesSeen">): Promise<void>;
}
