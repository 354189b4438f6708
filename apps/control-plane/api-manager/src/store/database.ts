import type { ColumnType } from "kysely";
import type { AddressDetailName, ApiAnalyticsName, GeographyDetailName } from "../domain/analytics-setting.ts";

/** PostgreSQL bigint: written as bigint or number, read as text. */
type Int8 = ColumnType<string, bigint | number, bigint | number>;
/** jsonb: written as text, read as a value. */
type Json<T> = ColumnType<T, string, string>;

export interface ConditionJson {
  readonly methods: string;
  readonly uriTemplate?: string;
  readonly regularExpression?: string;
}

export interface LimitJson {
  readonly requests: string;
  readonly periodMs: string;
}

export interface ResourceJson {
  readonly method: string;
  readonly path: string;
}

interface ApiTable {
  readonly api_id: string;
  readonly org: string;
  readonly environment: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly openapi: string;
  readonly auto_approve: boolean;
  readonly observe_routes: boolean;
  readonly route_words: readonly string[];
  readonly analytics: ApiAnalyticsName;
  readonly revision: Int8;
  readonly document_digest: Buffer;
  readonly contract_count: number;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly updated_by: string;
}

interface AnalyticsSettingTable {
  readonly org: string;
  readonly environment: string;
  readonly is_on: boolean;
  readonly client_address: AddressDetailName;
  readonly user_agent: boolean;
  readonly geography: GeographyDetailName;
  readonly route_words: readonly string[];
  readonly updated_at: Date;
  readonly updated_by: string;
}

export interface PolicyTable {
  readonly policy_id: string;
  readonly org: string;
  readonly environment: string;
  readonly api_id: string | null;
  readonly type: string;
  readonly name: string;
  readonly position: number;
  readonly enabled: boolean;
  readonly configuration: Buffer;
  readonly kek_id: string;
  readonly conditions: Json<readonly ConditionJson[]>;
  readonly assets: readonly Buffer[];
  readonly version: Int8;
  readonly updated_at: Date;
  readonly updated_by: string;
}

interface PolicyVersionTable extends PolicyTable {
  readonly action: "created" | "changed" | "removed";
}

interface AssetTable {
  readonly org: string;
  readonly digest: Buffer;
  readonly bytes: Buffer;
  readonly created_at: Date;
}

interface ClientTable {
  readonly client_id: string;
  readonly org: string;
  readonly name: string;
  readonly description: string;
  readonly created_at: Date;
  readonly created_by: string;
  readonly revoked_at: Date | null;
}

interface ClientSecretTable {
  readonly secret_id: string;
  readonly client_id: string;
  readonly sha256: Buffer;
  readonly created_at: Date;
  readonly not_after: Date | null;
}

interface TierTable {
  readonly tier_id: string;
  readonly api_id: string;
  readonly name: string;
  readonly description: string;
  readonly limits: Json<readonly LimitJson[]>;
  readonly auto_approve: boolean | null;
}

interface ContractTable {
  readonly contract_id: string;
  readonly org: string;
  readonly api_id: string;
  readonly client_id: string;
  readonly tier_id: string | null;
  readonly state: "requested" | "approved" | "rejected" | "revoked";
  readonly page_key: Int8;
  readonly requested_at: Date;
  readonly requested_by: string;
  readonly decided_at: Date | null;
  readonly decided_by: string;
  readonly reason: string;
}

interface BindingTable {
  readonly fabric_id: string;
  readonly place: number;
  readonly org: string;
  readonly app_id: string;
  readonly app_name: string;
  readonly environment: string;
  readonly api_name: string;
  readonly api_version: string;
  readonly base_path: string;
  readonly resources: Json<readonly ResourceJson[]>;
  readonly page_key: Int8;
}

interface ObservedRouteTable {
  readonly api_id: string;
  readonly method: string;
  readonly template: string;
  readonly first_seen_at: Date;
  readonly last_seen_on: Date;
}

interface CaptureTable {
  readonly capture_id: string;
  readonly org: string;
  readonly api_id: string;
  readonly environment: string;
  readonly name: string;
  readonly version: string;
  readonly settings: Buffer;
  readonly state: "running" | "ended" | "stopped";
  readonly started_at: Date;
  readonly started_by: string;
  readonly ends_at: Date;
  readonly over_at: Date | null;
  readonly stopped_by: string;
}

interface FabricTable {
  readonly fabric_id: string;
  readonly org: string;
  readonly revision: Int8;
  readonly edition: Int8;
  readonly issued_at: Date;
  readonly index_pages: readonly Buffer[];
}

interface TreeTable {
  readonly fabric_id: string;
  readonly revision: Int8;
  readonly edition: Int8;
  readonly superseded_at: Date | null;
}

interface Lifetime {
  readonly entered_edition: Int8;
  readonly left_edition: ColumnType<string | null, bigint | null, bigint | null>;
}

interface FabricObjectTable extends Lifetime {
  readonly fabric_id: string;
  readonly digest: Buffer;
  readonly bytes: Buffer;
}

interface FabricApiTable extends Lifetime {
  readonly fabric_id: string;
  readonly api_id: string;
}

interface ApiObjectTable extends Lifetime {
  readonly api_id: string;
  readonly digest: Buffer;
  readonly org: string;
  readonly kind: "document" | "contracts" | "asset";
  readonly bytes: Buffer;
  readonly kek_id: string;
}

interface RequestTable {
  readonly org: string;
  readonly request_id: string;
  readonly method: string;
  readonly request_sha256: Buffer;
  readonly response: Buffer | null;
  readonly created_at: Date;
}

export interface ApiManagerDatabase {
  readonly incarnation: { readonly incarnation_id: string; readonly created_at: Date };
  readonly organisation: { readonly org: string; readonly edition: Int8 };
  readonly api: ApiTable;
  readonly analytics_setting: AnalyticsSettingTable;
  readonly policy: PolicyTable;
  readonly policy_version: PolicyVersionTable;
  readonly asset: AssetTable;
  readonly client: ClientTable;
  readonly client_secret: ClientSecretTable;
  readonly tier: TierTable;
  readonly contract: ContractTable;
  readonly binding: BindingTable;
  readonly observed_route: ObservedRouteTable;
  readonly capture: CaptureTable;
  readonly fabric: FabricTable;
  readonly tree: TreeTable;
  readonly fabric_object: FabricObjectTable;
  readonly fabric_api: FabricApiTable;
  readonly api_object: ApiObjectTable;
  readonly request: RequestTable;
}
