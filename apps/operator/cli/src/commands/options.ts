import { InvalidArgumentError, Option } from "commander";

export const outputOption = (): Option =>
  new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table");

export const environmentOption = (): Option =>
  new Option("-e, --environment <name>", "environment of the app").env("DRAWBRIDGE_ENVIRONMENT").default("production");

/** A level, or "default", which takes it away. */
export const gatekeeperOption = (): Option =>
  new Option(
    "--gatekeeper <level>",
    'what keeps requests off tracked APIs until their policies apply: strict, flexible, disabled, or "default"; counts from the next deployment or restart on',
  ).argParser((text) => {
    if (["strict", "flexible", "disabled", "true", "false", "default"].includes(text)) return text;
    throw new InvalidArgumentError('It must be strict, flexible, disabled or "default".');
  });

export const waitOption = (): Option => new Option("--wait", "wait until the fabric runs it");

export const timeoutOption = (): Option =>
  new Option("--timeout <seconds>", "with --wait: give up after so long")
    .default(180)
    .argParser(wholeNumber(1, 86_400));

/** Parser of an option that is a whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`give a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** "a,b" as a list, added to what the same option gave before. */
export function commaSeparated(text: string, previous: readonly string[] | undefined): readonly string[] {
  const parts = text.split(",").map((part) => part.trim());
  return [...(previous ?? []), ...parts.filter((part) => part !== "")];
}

/** Collects "NAME=value" pairs of an option that may be repeated. */
export function nameValue(
  text: string,
  previous: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("give NAME=value.");
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}
