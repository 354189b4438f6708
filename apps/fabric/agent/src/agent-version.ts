import packageJson from "../package.json" with { type: "json" };

/** Version of this agent, for example "0.1.0". */
export const agentVersion: string = packageJson.version;

/** Versions of the tunnel's protocol that it speaks. */
export const protocolVersions = { min: 1, max: 1 } as const;
