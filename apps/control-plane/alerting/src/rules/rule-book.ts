import { isDrawbridgeError } from "@drawbridge/errors";
import type { Logger } from "@drawbridge/telemetry";
import type { Channel } from "../delivery/channel.ts";
import { readRuleFile } from "./read-rule-file.ts";
import type { Receiver, Rule, RuleFile } from "./rule-file.ts";

/** What the operator's file says, as it is in force. */
export interface RuleBook {
  readonly rules: () => readonly Rule[];
  readonly receivers: () => readonly Receiver[];
  readonly channel: (receiver: string) => Channel | undefined;
  /** What is wrong with the file since it was changed; empty if nothing is. */
  readonly problem: () => string;
  /** Read the file again, with the secrets that it names. One that cannot be used changes nothing. */
  refresh(): void;
}

const empty: RuleFile = { receivers: [], rules: [] };

/**
 * Without a file nobody can be told.
 * @throws DrawbridgeError `ALERT_RULES_INVALID` (invalid_argument): the file cannot be used
 */
export function openRuleBook(options: {
  readonly path: string | undefined;
  /** @throws DrawbridgeError `ALERT_RULES_INVALID`: it has a rule whose figures nobody knows */
  readonly check: (rules: readonly Rule[]) => void;
  /** @throws DrawbridgeError `ALERT_RULES_INVALID`: a secret cannot be read */
  readonly channelOf: (receiver: Receiver) => Channel;
  readonly logger: Logger;
}): RuleBook {
  const { path, check, channelOf, logger } = options;
  const read = () => {
    const file = path === undefined ? empty : readRuleFile(path);
    check(file.rules);
    return { file, channels: new Map(file.receivers.map((one) => [one.name, channelOf(one)])) };
  };
  let inForce = read();
  let problem = "";
  return {
    rules: () => inForce.file.rules,
    receivers: () => inForce.file.receivers,
    channel: (receiver) => inForce.channels.get(receiver),
    problem: () => problem,
    refresh: () => {
      try {
        inForce = read();
        if (problem !== "") logger.info({}, "the file of rules can be used again");
        problem = "";
      } catch (error) {
        if (!isDrawbridgeError(error, "ALERT_RULES_INVALID")) throw error;
        // Once per mistake: the next reads say the same.
        if (problem !== error.message)
          logger.error({ err: error }, "the file of rules cannot be used, the one before stays in force");
        problem = error.message;
      }
    },
  };
}
