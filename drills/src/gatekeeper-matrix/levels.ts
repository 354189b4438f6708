export const levels = ["strict", "flexible", "disabled"] as const;
export type Level = (typeof levels)[number];

/** Name of the app and of its API at a level. */
export const appAt = (level: Level): string => `at-${level}`;
/** An app with an API of its own that nothing is done to. */
export const bystander = "bystander";
