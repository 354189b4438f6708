import { AnalyticsSettings, ApiDocument } from "@drawbridge/contracts/apis/v1/configuration";
import { expect, test } from "vitest";
import { ApiReporting } from "./api-reporting.ts";

function reporting(settings: Partial<AnalyticsSettings> = {}): ApiReporting {
  const document = ApiDocument.fromPartial({ apiId: "1", name: "orders", version: "2", environment: "prod" });
  return new ApiReporting(document, AnalyticsSettings.fromPartial(settings), "shop");
}

test("where the app lists its resources, the template of the one that was asked for is told (ANA 2)", () => {
  expect(reporting().resourcePath("/customers/{id}", "/customers/ada")).toBe("/customers/{id}");
});

test.each([
  ["/orders/17/lines", "/orders/{}/lines"],
  ["/customers/ada.lovelace@example.com", "/customers/{}"],
  ["/%63anary", "/{}"],
  ["/", "/"],
  ["//", ""],
  ["/a".repeat(13), ""],
])("of other paths known words stand and nothing else: %s", (path, told) => {
  expect(reporting().resourcePath("", path)).toBe(told);
});

test("words of the environment may stand too", () => {
  expect(reporting().resourcePath("", "/drawbridge")).toBe("/{}");
  expect(reporting({ routeWords: ["drawbridge"] }).resourcePath("", "/drawbridge")).toBe("/drawbridge");
});

test("the same path is the same template however many others came between", () => {
  const told = reporting();
  const paths = Array.from({ length: 5_000 }, (_, index) => `/orders/${index}`);
  for (const path of paths) expect(told.resourcePath("", path)).toBe("/orders/{}");
  expect(told.resourcePath("", "/orders/1")).toBe("/orders/{}");
});

test("without a setting no address, no User-Agent and no place is told (ANA 2)", () => {
  expect(reporting().instance).toMatchObject({ addressDetail: "none", isUserAgentTold: false, api: { geography: 0 } });
});
