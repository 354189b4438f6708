/** The figures of MON at one time, or of one step. */
export interface MetricValues {
  readonly atMs: number;
  /** Undefined where it was not measured. */
  readonly cpuMillicores: number | undefined;
  readonly memoryUsed: number;
  readonly memoryTotal: number;
  readonly messages: number;
  readonly responseMsSum: number;
  readonly responseCount: number;
  readonly errors: number;
  /** How long messages were counted. */
  readonly countedMs: number;
}

/** The last that is known of a replica. */
export interface ReplicaNow extends MetricValues {
  readonly replica: string;
  /** Between its samples; 0 where that is not known. */
  readonly intervalMs: number;
}

/** For a collector that does not tell how often it samples; most do every 15 s to a minute. */
const usualIntervalMs = 60_000;
const intervals = 3;

/** Whether the last sample still says how it is: at most three sampling intervals old. */
export function isCurrent(last: Pick<ReplicaNow, "atMs" | "intervalMs">, now: Date): boolean {
  const intervalMs = last.intervalMs === 0 ? usualIntervalMs : last.intervalMs;
  return now.getTime() - last.atMs <= intervals * intervalMs;
}

/** All replicas together; undefined when there is none. Counts are of intervals that may differ, so rates are added up. */
export function sumOfReplicas(replicas: readonly MetricValues[]): MetricValues | undefined {
  if (replicas.length === 0) return undefined;
  const sum = (of: (values: MetricValues) => number): number => replicas.reduce((total, one) => total + of(one), 0);
  const cpus = replicas.flatMap(({ cpuMillicores }) => (cpuMillicores === undefined ? [] : [cpuMillicores]));
  const messages = sum((one) => one.messages);
  const perMs = sum((one) => (one.countedMs === 0 ? 0 : one.messages / one.countedMs));
  const longestMs = Math.max(...replicas.map((one) => one.countedMs));
  return {
    atMs: Math.max(...replicas.map((one) => one.atMs)),
    cpuMillicores: cpus.length === 0 ? undefined : cpus.reduce((total, one) => total + one, 0),
    memoryUsed: sum((one) => one.memoryUsed),
    memoryTotal: sum((one) => one.memoryTotal),
    messages,
    responseMsSum: sum((one) => one.responseMsSum),
    responseCount: sum((one) => one.responseCount),
    errors: sum((one) => one.errors),
    countedMs: perMs === 0 ? longestMs : messages / perMs,
  };
}
