import { DrawbridgeError } from "@drawbridge/errors";
import { Option } from "commander";
import type { CommandWorld } from "../command-context.ts";
import { plainLines } from "../output/plain-text.ts";

export const yesOption = (): Option => new Option("-y, --yes", "do not ask; for scripts");

/**
 * Go on only if a person says yes, or said so on the command line.
 * @throws DrawbridgeError `CONFIRMATION_REQUIRED` (failed_precondition) without a terminal, with `because` for who reads
 * the log of a script | `CONFIRMATION_REFUSED` (cancelled)
 */
export async function confirmed(
  world: Pick<CommandWorld, "confirm">,
  asked: {
    readonly yes: boolean | undefined;
    readonly question: string;
    readonly because: string;
    readonly details?: Readonly<Record<string, string>>;
  },
): Promise<void> {
  if (asked.yes === true) return;
  switch (await world.confirm(plainLines(asked.question))) {
    case "yes":
      return;
    case "no":
      throw new DrawbridgeError({
        kind: "cancelled",
        code: "CONFIRMATION_REFUSED",
        message: "nothing was changed",
      });
    case "nobody":
      throw new DrawbridgeError({
        kind: "failed_precondition",
        code: "CONFIRMATION_REQUIRED",
        message: `${asked.because}. Nothing was changed, for there is nobody here to ask; pass --yes if you mean it`,
        ...(asked.details ? { details: asked.details } : {}),
      });
  }
}
