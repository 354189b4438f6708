import {
  chosenRowsColumn,
  createNativeBlockWriter,
  dateTimeColumn,
  lowCardinalityColumn,
  uint16Column,
  uint32Column,
  uint64Column,
  uint8Column,
} from "@drawbridge/columnar";
import type { RequestBlock } from "../request-block.ts";

/** The part of each roll-up's block that all have: whose requests, when, and how many. */
const commonColumns = ({ columns }: RequestBlock) => ({
  environment: chosenRowsColumn(columns.environment),
  api: chosenRowsColumn(columns.api),
  bucket: dateTimeColumn(),
  status_class: lowCardinalityColumn(),
  requests: uint64Column(),
});

const timeAndBytes = () => ({
  latency_us_sum: uint64Column(),
  latency_us_max: uint32Column(),
  request_bytes_sum: uint64Column(),
  response_bytes_sum: uint64Column(),
});

/** Blocks of the tables of migrations/0002, whose names they have; the names in them are those of `block`. */
export function createRollUpBlocks(block: RequestBlock) {
  const { columns } = block;
  return {
    api_traffic_15m: createNativeBlockWriter({
      ...commonColumns(block),
      api_version: chosenRowsColumn(columns.api_version),
      app: chosenRowsColumn(columns.app),
      fabric_id: chosenRowsColumn(columns.fabric_id),
      disposition: uint8Column(),
      violated_policy: chosenRowsColumn(columns.violated_policy),
      ...timeAndBytes(),
      upstream_us_sum: uint64Column(),
    }),
    latency_30m: createNativeBlockWriter({
      ...commonColumns(block),
      api_version: chosenRowsColumn(columns.api_version),
      app: chosenRowsColumn(columns.app),
      fabric_id: chosenRowsColumn(columns.fabric_id),
      latency_step: uint16Column(),
    }),
    application_traffic_1h: createNativeBlockWriter({
      ...commonColumns(block),
      application: chosenRowsColumn(columns.application),
      disposition: uint8Column(),
      ...timeAndBytes(),
    }),
    geography_traffic_1h: createNativeBlockWriter({
      ...commonColumns(block),
      continent: chosenRowsColumn(columns.continent),
      country: chosenRowsColumn(columns.country),
      city: chosenRowsColumn(columns.city),
      latency_us_sum: uint64Column(),
    }),
    user_agent_traffic_1h: createNativeBlockWriter({
      ...commonColumns(block),
      browser: chosenRowsColumn(columns.browser),
      user_agent_type: chosenRowsColumn(columns.user_agent_type),
      hardware_platform: chosenRowsColumn(columns.hardware_platform),
      os_family: chosenRowsColumn(columns.os_family),
      latency_us_sum: uint64Column(),
    }),
  };
}

export type RollUpBlocks = ReturnType<typeof createRollUpBlocks>;
