import packageJson from "../package.json" with { type: "json" };

/** Version of this collector, for example "0.1.0". */
export const collectorVersion: string = packageJson.version;
