import { unitMarker, type UnitSpec } from "@drawbridge/app-routes";

/** Programs that understand NODE_OPTIONS. */
const nodePrograms = /^(?:node|npm|npx|pnpm|yarn|corepack)$/;

/** Share of the memory limit that the JavaScript heap may take; the rest is stacks, buffers and native code. */
const heapShare = 0.75;

/**
 * Everything that the app finds in its environment: nothing comes from the shim's own or the agent's. Later ones win: base,
 * configuration, secrets, ports, identity.
 */
export function appEnvironment(options: {
  readonly spec: UnitSpec;
  readonly secrets: Readonly<Record<string, string>>;
  readonly ports: Readonly<Record<string, number>>;
  readonly home: string;
  /** The shim's PATH, which the driver set. */
  readonly path: string;
}): Readonly<Record<string, string>> {
  const { spec, secrets, ports } = options;
  const environment: Record<string, string> = {
    PATH: options.path,
    HOME: options.home,
    ...spec.environment,
    ...secrets,
    ...Object.fromEntries(spec.ports.map(({ name, variable }) => [variable, String(ports[name] ?? "")])),
    ...unitMarker(spec),
  };
  const nodeOptions = heapOption(spec);
  if (nodeOptions !== undefined) {
    environment["NODE_OPTIONS"] = [nodeOptions, environment["NODE_OPTIONS"]].filter(Boolean).join(" ");
  }
  return environment;
}

function heapOption({ command, memoryLimitBytes }: UnitSpec): string | undefined {
  const program = command[0]?.split("/").at(-1) ?? "";
  if (memoryLimitBytes === undefined || !nodePrograms.test(program)) return undefined;
  return `--max-old-space-size=${Math.max(16, Math.floor((memoryLimitBytes * heapShare) / 1_048_576))}`;
}
