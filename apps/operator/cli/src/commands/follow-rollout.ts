import type { ApiClient } from "../api/client.ts";
import type { App } from "../api/types.ts";
import { watchRollout } from "../api/watch-rollout.ts";
import type { CommandWorld } from "../command-context.ts";
import type { Output } from "../output/output.ts";
import { appPath } from "./app-path.ts";

export interface WaitOptions {
  readonly wait?: boolean;
  readonly timeout: number;
}

/** Show a change's roll-out until it is done, if the user asked to wait; otherwise say how to look. */
export async function followRollout(
  deps: { readonly world: CommandWorld; readonly api: ApiClient; readonly output: Output },
  app: App,
  options: WaitOptions,
): Promise<App> {
  const { world, api, output } = deps;
  if (options.wait !== true) {
    output.note(`asked for; watch it with "drawbridge app show ${app.name} -e ${app.environment}" or pass --wait`);
    return app;
  }
  const done = await watchRollout(api, appPath(app.environment, app.name), {
    generation: app.generation,
    timeoutMs: options.timeout * 1000,
    clock: world.clock,
    onState: (state) => {
      if (state.state === "waiting") output.progress(state.because);
    },
  });
  output.progressDone();
  return done;
}
