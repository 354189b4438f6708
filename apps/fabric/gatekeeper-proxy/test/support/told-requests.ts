import { readBatch, type Column } from "@drawbridge/request-batch";

/** A request as a batch tells of it. */
export interface ToldRequest {
  readonly api: string;
  readonly apiId: string;
  readonly environment: string;
  readonly app: string;
  readonly application: string;
  readonly resourcePath: string;
  readonly verb: string;
  readonly status: number;
  readonly disposition: number;
  readonly policyId: string;
  readonly policy: string;
  readonly latencyUs: number;
  readonly upstreamUs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** IPv4 as "a.b.c.d", other addresses as hex; empty for none. */
  readonly clientAddress: string;
  readonly userAgent: string;
  readonly replica: string;
}

/** What analytics-ingest would read. */
export function requestsOf(bytes: Uint8Array): readonly ToldRequest[] {
  const { columns, strings, apis, policies, addresses, rows } = readBatch(bytes);
  const at = (column: Column, row: number): number => column[row] ?? -1;
  return Array.from({ length: rows }, (_, row) => {
    const api = apis[at(columns.api, row)];
    const policy = policies[at(columns.policy, row)];
    const text = (column: Column): string => strings.textOf(at(column, row));
    return {
      api: api?.name ?? "",
      apiId: api?.apiId ?? "",
      environment: api?.environment ?? "",
      app: api?.app ?? "",
      application: text(columns.application),
      resourcePath: text(columns.resourcePath),
      verb: text(columns.verb),
      status: at(columns.status, row),
      disposition: at(columns.disposition, row),
      policyId: policy?.policyId ?? "",
      policy: policy?.name ?? "",
      latencyUs: at(columns.latencyUs, row),
      upstreamUs: at(columns.upstreamUs, row),
      requestBytes: at(columns.requestBytes, row),
      responseBytes: at(columns.responseBytes, row),
      clientAddress: addressOf(addresses, at(columns.clientAddress, row)),
      userAgent: text(columns.userAgent),
      replica: text(columns.replica),
    };
  });
}

function addressOf(addresses: Uint8Array, index: number): string {
  if (index === 0) return "";
  const bytes = Buffer.from(addresses.subarray(index * 16, index * 16 + 16));
  const isIPv4 = bytes.subarray(0, 12).equals(Buffer.from("00000000000000000000ffff", "hex"));
  return isIPv4 ? bytes.subarray(12).join(".") : bytes.toString("hex");
}
