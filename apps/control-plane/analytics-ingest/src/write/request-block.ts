import {
  createNativeBlockWriter,
  dateTime64Column,
  dateTimeColumn,
  ipv6Column,
  lowCardinalityColumn,
  uint16Column,
  uint32Column,
  uint64Column,
  uint8Column,
} from "@drawbridge/columnar";

/** Columns of the table `requests`. */
export const createRequestBlock = () =>
  createNativeBlockWriter({
    ts: dateTime64Column(),
    received_at: dateTimeColumn(),
    fabric_id: lowCardinalityColumn(),
    environment: lowCardinalityColumn(),
    api_id: lowCardinalityColumn(),
    api: lowCardinalityColumn(),
    api_version: lowCardinalityColumn(),
    app: lowCardinalityColumn(),
    replica: lowCardinalityColumn(),
    application: lowCardinalityColumn(),
    gateway: lowCardinalityColumn(),
    epoch: uint64Column(),
    sequence: uint64Column(),
    resource_path: lowCardinalityColumn(),
    verb: lowCardinalityColumn(),
    status_code: uint16Column(),
    disposition: uint8Column(),
    policy_id: lowCardinalityColumn(),
    policy: lowCardinalityColumn(),
    violated_policy: lowCardinalityColumn(),
    latency_us: uint32Column(),
    upstream_us: uint32Column(),
    request_bytes: uint32Column(),
    response_bytes: uint32Column(),
    weight: uint16Column(),
    client_ip: ipv6Column(),
    continent: lowCardinalityColumn(),
    country: lowCardinalityColumn(),
    city: lowCardinalityColumn(),
    postal_code: lowCardinalityColumn(),
    timezone: lowCardinalityColumn(),
    browser: lowCardinalityColumn(),
    user_agent_type: lowCardinalityColumn(),
    user_agent_version: lowCardinalityColumn(),
    hardware_platform: lowCardinalityColumn(),
    os_family: lowCardinalityColumn(),
    os_major_version: lowCardinalityColumn(),
    os_minor_version: lowCardinalityColumn(),
    os_version: lowCardinalityColumn(),
  });

export type RequestBlock = ReturnType<typeof createRequestBlock>;

/** Columns of the table `request_gaps`. */
export const createGapBlock = () =>
  createNativeBlockWriter({
    fabric_id: lowCardinalityColumn(),
    gateway: lowCardinalityColumn(),
    epoch: uint64Column(),
    sequence: uint64Column(),
    ordinal: uint8Column(),
    requests: uint64Column(),
    from_ts: dateTime64Column(),
    to_ts: dateTime64Column(),
    reason: uint8Column(),
    received_at: dateTimeColumn(),
  });

export type GapBlock = ReturnType<typeof createGapBlock>;
export type NameColumn = ReturnType<typeof lowCardinalityColumn>;
