import {
  createNativeBlockWriter,
  dateTime64Column,
  dateTimeColumn,
  lowCardinalityColumn,
  stringColumn,
  uint32Column,
  uint64Column,
  uint8Column,
} from "@drawbridge/columnar";

/** An exchange on its way into the store. */
export interface ReceivedExchange {
  readonly environment: string;
  readonly captureId: string;
  /** Of the token that it came with. */
  readonly fabricId: string;
  readonly exchangeId: string;
  /** By the gateway's clock. */
  readonly atMs: number;
  readonly receivedAtMs: number;
  /** The whole of it, as it came. */
  readonly bytes: Uint8Array;
}

/** Exchanges that a gateway did not capture or gave up. */
export interface ReceivedLoss {
  readonly captureId: string;
  /** All that the token is for: a loss is told without the environment of its capture. */
  readonly environments: readonly string[];
  readonly fabricId: string;
  readonly batchId: string;
  readonly reason: number;
  readonly exchanges: bigint;
  readonly receivedAtMs: number;
}

/** What came of a gateway at once. */
export interface ReceivedInsight {
  readonly exchanges: readonly ReceivedExchange[];
  readonly losses: readonly ReceivedLoss[];
}

const dayMs = 86_400_000;
const aheadMs = 5 * 60_000;

/** Write them to `path`, which ends in ".native": the only form in which anything gets into the store. */
export async function writeExchanges(path: string, exchanges: readonly ReceivedExchange[]): Promise<void> {
  const block = createNativeBlockWriter({
    environment: lowCardinalityColumn(),
    capture_id: stringColumn(),
    fabric_id: lowCardinalityColumn(),
    exchange_id: stringColumn(),
    ts: dateTime64Column(),
    received_at: dateTimeColumn(),
    size_bytes: uint32Column(),
    exchange: stringColumn(),
  });
  const { columns: to } = block;
  for (const { environment, captureId, fabricId, exchangeId, atMs, receivedAtMs, bytes } of exchanges) {
    to.environment.push(environment);
    to.capture_id.push(captureId);
    to.fabric_id.push(fabricId);
    to.exchange_id.push(exchangeId);
    to.ts.push(Math.min(Math.max(atMs, receivedAtMs - dayMs), receivedAtMs + aheadMs));
    to.received_at.push(Math.floor(receivedAtMs / 1_000));
    to.size_bytes.push(bytes.length);
    to.exchange.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"));
  }
  await block.writeFile(path);
}

/** The same of losses. */
export async function writeLosses(path: string, losses: readonly ReceivedLoss[]): Promise<void> {
  const block = createNativeBlockWriter({
    capture_id: stringColumn(),
    fabric_id: lowCardinalityColumn(),
    environments: lowCardinalityColumn(),
    batch_id: stringColumn(),
    reason: uint8Column(),
    exchanges: uint64Column(),
    received_at: dateTimeColumn(),
  });
  const { columns: to } = block;
  for (const { captureId, environments, fabricId, batchId, reason, exchanges, receivedAtMs } of losses) {
    to.capture_id.push(captureId);
    to.fabric_id.push(fabricId);
    to.environments.push(environments.join(","));
    to.batch_id.push(batchId);
    to.reason.push(reason);
    to.exchanges.push(exchanges);
    to.received_at.push(Math.floor(receivedAtMs / 1_000));
  }
  await block.writeFile(path);
}
