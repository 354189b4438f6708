import { AddressDetail, type ApiDocument } from "@drawbridge/contracts/apis/v1/configuration";
import { routeTemplate } from "@drawbridge/policies";
import type { ReportedInstance } from "@drawbridge/request-batch";

const mostPaths = 2_048;
const longestPath = 256;
/** Of a template that a manifest names; what is longer is cut. */
const longestTemplate = 1_024;

const addressDetails = {
  [AddressDetail.ADDRESS_DETAIL_UNSPECIFIED]: "none",
  [AddressDetail.ADDRESS_DETAIL_NONE]: "none",
  [AddressDetail.ADDRESS_DETAIL_HASHED]: "hashed",
  [AddressDetail.ADDRESS_DETAIL_TRUNCATED]: "truncated",
  [AddressDetail.ADDRESS_DETAIL_FULL]: "full",
  [AddressDetail.UNRECOGNIZED]: "none",
} as const satisfies Record<AddressDetail, ReportedInstance["addressDetail"]>;

/** How requests of one API at one app are told. */
export class ApiReporting {
  readonly instance: ReportedInstance;
  readonly #words: ReadonlySet<string>;
  /** Templates of paths that came lately; a path never leaves this thread. */
  readonly #templates = new Map<string, string>();

  constructor(document: ApiDocument, settings: NonNullable<ApiDocument["analytics"]>, app: string) {
    const { apiId, name, version, environment } = document;
    this.instance = {
      api: { apiId, name, version, environment, app, geography: settings.geography },
      addressDetail: addressDetails[settings.clientAddress],
      isUserAgentTold: settings.userAgent,
    };
    this.#words = new Set(settings.routeWords);
  }

  /**
   * What is told in place of a path; empty for one that stands for no route.
   *
   * @param resource template of the tracked resource; empty where the app lists none
   * @param path below the base path
   */
  resourcePath(resource: string, path: string): string {
    if (resource !== "") return resource.length > longestTemplate ? resource.slice(0, longestTemplate) : resource;
    const known = this.#templates.get(path);
    if (known !== undefined) return known;
    const template = routeTemplate(path, this.#words) ?? "";
    if (path.length > longestPath) return template;
    if (this.#templates.size >= mostPaths) this.#templates.clear();
    this.#templates.set(path, template);
    return template;
  }
}
