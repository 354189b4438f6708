import { Writable } from "node:stream";
import type { Clock, IdSource, Random } from "@drawbridge/lifecycle";
import { createLogger, type Logger } from "@drawbridge/telemetry";
import { loadAgentConfig, type AgentConfig } from "../config.ts";
import { stateLayout, type StateLayout } from "../state/state-layout.ts";

/** The world outside of a command. */
export interface CommandWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: AsyncIterable<unknown>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** What every command works with. */
export interface CommandContext extends CommandWorld {
  readonly config: AgentConfig;
  readonly layout: StateLayout;
  /** Warnings and errors on standard error. */
  readonly logger: Logger;
}

export interface CommonOptions {
  readonly stateDir?: string;
}

/** @throws DrawbridgeError `CONFIG_INVALID` (invalid_argument) */
export function createCommandContext(world: CommandWorld, options: CommonOptions): CommandContext {
  const config = loadAgentConfig(world.env, options);
  const logger = createLogger({
    service: "agent",
    level: config.LOG_LEVEL === "info" ? "warn" : config.LOG_LEVEL, // a command's own words are its output
    format: "pretty",
    destination: new Writable({
      write: (chunk, _encoding, done) => {
        world.err(String(chunk));
        done();
      },
    }),
  });
  return { ...world, config, layout: stateLayout(config.STATE_DIR), logger };
}
