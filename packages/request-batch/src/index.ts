export { BatchBuilder, batchHead, type BatchName, type ReportedInstance } from "./batch-builder.ts";
export { addressLength, type AddressDetail } from "./client-address.ts";
export { type Column } from "./column.ts";
export { batchLimits } from "./limits.ts";
export { readBatch, type ReadBatch } from "./read-batch.ts";
export { type ReportableRequest } from "./reportable-request.ts";
export { type StringTable } from "./split-strings.ts";
