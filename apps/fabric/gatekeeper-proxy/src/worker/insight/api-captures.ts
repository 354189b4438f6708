import { AnalyticsSettings, type ApiDocument } from "@drawbridge/contracts/apis/v1/configuration";
import { mostCaptures, readCapture, type CaptureOrder, type ExchangePart } from "../../insight/capture-order.ts";
import { ApiReporting } from "../analytics/api-reporting.ts";

/** Captures of one API at one app. */
export class ApiCaptures {
  readonly api: {
    readonly apiId: string;
    readonly name: string;
    readonly version: string;
    readonly environment: string;
  };
  readonly app: string;
  readonly orders: readonly CaptureOrder[];
  /** That any of them wants. */
  readonly parts: ReadonlySet<ExchangePart>;
  readonly #reporting: ApiReporting;

  constructor(document: ApiDocument, orders: readonly CaptureOrder[], app: string) {
    const { apiId, name, version, environment } = document;
    this.api = { apiId, name, version, environment };
    this.app = app;
    this.orders = orders;
    this.parts = new Set(orders.flatMap(({ parts }) => parts));
    this.#reporting = new ApiReporting(document, document.analytics ?? AnalyticsSettings.fromPartial({}), app);
  }

  /** What stands for a path; never the path. */
  template(resource: string, path: string): string {
    return this.#reporting.resourcePath(resource, path);
  }
}

/** Captures of a document that can be followed. */
export function capturesOf({ captures }: Pick<ApiDocument, "captures">): readonly CaptureOrder[] {
  return captures.slice(0, mostCaptures).flatMap((capture) => readCapture(capture) ?? []);
}
