export { dial, type DialOptions, type DialTarget, type HttpProxy } from "./dial.ts";
export { proxyAddress } from "./proxy-address.ts";
export {
  createEgressLedger,
  type Departure,
  type EgressLedger,
  type LedgerFiles,
  type OutboundField,
} from "./egress-ledger.ts";
export { openLedgerFolder } from "./ledger-folder.ts";
export {
  ledgerFileSchema,
  type DataClass,
  type LedgerEntry,
  type LedgerFile,
  type LedgerWriter,
} from "./ledger-file.ts";
