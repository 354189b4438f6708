/** How much of the requests of an environment's APIs leaves the fabrics. */
export interface AnalyticsSetting {
  readonly isOn: boolean;
  readonly clientAddress: AddressDetailName;
  readonly userAgent: boolean;
  readonly geography: GeographyDetailName;
  /** Words that may stand in paths besides the common ones: lower case, sorted. */
  readonly routeWords: readonly string[];
}

/** Least first. */
export type AddressDetailName = "none" | "hashed" | "truncated" | "full";
/** Least first. */
export type GeographyDetailName = "none" | "country" | "city";

/** What an API says of its environment's setting: it can only take away from it. */
export type ApiAnalyticsName = "inherit" | "off";

/**
 * Of an environment where nobody set any. Nothing leaves a fabric by it that names a client: an address loses its last part at
 * the gateway (ANA 2, 3).
 */
export const defaultAnalytics: AnalyticsSetting = {
  isOn: true,
  clientAddress: "truncated",
  userAgent: true,
  geography: "city",
  routeWords: [],
};

/** What gateways may tell of an API's requests; undefined: nothing. */
export function analyticsTold(
  setting: AnalyticsSetting,
  api: ApiAnalyticsName,
): Omit<AnalyticsSetting, "isOn"> | undefined {
  if (!setting.isOn || api === "off") return undefined;
  const { clientAddress, userAgent, routeWords } = setting;
  return { clientAddress, userAgent, geography: geographyTold(setting), routeWords };
}

/** A hash looks like an address and is none: what would be concluded from it were wrong. */
function geographyTold({ clientAddress, geography }: AnalyticsSetting): GeographyDetailName {
  return clientAddress === "none" || clientAddress === "hashed" ? "none" : geography;
}

/** What an operator may not have meant: one sentence each. */
export function analyticsWarnings(setting: AnalyticsSetting): readonly string[] {
  const isGeographyLost = setting.geography !== geographyTold(setting);
  return [
    ...(isGeographyLost
      ? [
          `no geography is told: it is concluded from the client's address, of which the setting "${setting.clientAddress}" leaves none`,
        ]
      : []),
    ...(setting.clientAddress === "full" && setting.isOn
      ? ["whole addresses of clients leave the fabrics: they may be personal data"]
      : []),
  ];
}
