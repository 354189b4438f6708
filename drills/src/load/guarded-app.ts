import { addressOf, eventually, type TestStack } from "@drawbridge/local/testing";
import { apiPath, askForClientIds, createApi, createContract, declareApi, type Contract } from "../stack/apis.ts";
import { rest } from "../stack/rest.ts";
import { type RunningLoop, startLoop } from "./start-loop.ts";

const name = "guarded";
const asksEveryMs = 50;
/** There to end a hang. */
const giveUpAfterMs = 60_000;

export interface Answer {
  readonly status: number;
  /** What the stamp of the answer says. */
  readonly stamp?: string;
}

/** An app behind an API, whose policies let nobody in without a contract. */
export interface GuardedApp {
  /** Waits until who has the contract is answered so; a finding if that is not within a minute. */
  settles(wanted: Answer): Promise<readonly string[]>;
  /** Strangers ask without end: whatever else is broken, none may be let in. */
  watchStrangers(): RunningLoop;
  /** A policy that writes this header into every answer. */
  stamp(value: string): Promise<void>;
  revokeContract(): Promise<void>;
}

/** Its header in answers. */
const header = "x-stamp";

export async function deployGuarded(stack: TestStack): Promise<GuardedApp> {
  await askForClientIds(stack);
  await createApi(stack, name);
  const contract = await createContract(stack, name, "caller");
  const directory = await stack.hello({ version: "1.0.0", name, edit: (folder) => declareApi(folder, name) });
  const address = addressOf(await stack.deploy(directory));

  async function ask(headers: Contract["headers"]): Promise<Answer> {
    const response = await fetch(address, { headers });
    await response.arrayBuffer();
    const stamp = response.headers.get(header);
    return { status: response.status, ...(stamp === null ? {} : { stamp }) };
  }

  async function settles({ status, stamp }: Answer): Promise<readonly string[]> {
    const giveUp = AbortSignal.timeout(giveUpAfterMs);
    const seen = await eventually(async () => {
      const answer = await ask(contract.headers).catch((): Answer => ({ status: 0 }));
      return giveUp.aborted || (answer.status === status && answer.stamp === stamp) ? answer : undefined;
    });
    if (seen.status === status && seen.stamp === stamp) return [];
    return [`answered ${seen.status}, stamp ${seen.stamp}; it should be ${status}, stamp ${stamp}`];
  }

  const [unsettled] = await settles({ status: 200 });
  if (unsettled !== undefined) throw new Error(`the API never opened: ${unsettled}`);
  return {
    settles,
    watchStrangers: () =>
      startLoop(
        "strangers at the API",
        async () => {
          // With no gateway nobody answers: that is no way in either.
          const { status } = await ask({}).catch(() => ({ status: 503 }));
          if (status !== 401 && status !== 503) throw new Error(`a stranger was answered ${status}`);
        },
        asksEveryMs,
      ),
    stamp: async (value) => {
      const body = { type: "header-injection", configuration: { outbound: [{ name: header, value }] } };
      await rest(stack, `${apiPath(name)}/policies/stamp`, { method: "PUT", body });
    },
    revokeContract: () => contract.revoke(),
  };
}
