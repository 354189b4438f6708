import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { activateFabric, expectSuccess, localFabric, logIn } from "../../src/stack/activate-fabric.ts";
import { repositoryRoot } from "../../src/stack/child.ts";
import { freePortBase } from "../../src/stack/free-port-base.ts";
import { type LocalStack, openLocalStack } from "../../src/stack/local-stack.ts";
import { removeState } from "../../src/stack/remove-state.ts";

/** What `drawbridge app show -o json` prints, as far as tests look at it. */
export interface ShownApp {
  readonly appId: string;
  readonly name: string;
  readonly version: string;
  readonly revision: number;
  readonly generation: number;
  readonly statusCurrent: boolean;
  readonly status: {
    readonly phase: string;
    readonly readyReplicas: number;
    readonly servingRevision: number;
    readonly observedGeneration: number;
    readonly endpoints: readonly string[];
    readonly replicas: readonly {
      readonly replicaId: string;
      readonly state: string;
      readonly startedAt: string;
      readonly restarts: number;
    }[];
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  } | null;
}

export interface TestStack extends AsyncDisposable {
  readonly stack: LocalStack;
  /** A folder of this test's own. */
  readonly folder: string;
  /** `drawbridge …`, which must succeed; its standard output. */
  run(...args: string[]): Promise<string>;
  show(name: string): Promise<ShownApp>;
  deploy(directory: string, ...args: string[]): Promise<ShownApp>;
  /** A copy of examples/hello as another app or version. */
  hello(options: {
    readonly version: string;
    readonly name?: string;
    readonly edit?: (directory: string) => Promise<void>;
  }): Promise<string>;
}

export interface StartOptions {
  /** Called with the state folder before anything is in it; what it returns is disposed of before the folder is removed. */
  readonly prepare?: (stateDir: string) => Disposable | undefined;
  readonly overrides?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A whole stack of real processes with an activated fabric whose tunnel is up. */
export async function startTestStack(options: StartOptions = {}): Promise<TestStack> {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-e2e-"));
  const stateDir = join(folder, "state");
  const prepared = options.prepare?.(stateDir);
  const stack = await openLocalStack({
    stateDir,
    portBase: await freePortBase(),
    survives: "process-kill",
    ...(options.overrides ? { overrides: options.overrides } : {}),
  });
  const run = async (...args: string[]): Promise<string> =>
    (await expectSuccess(`drawbridge ${args.join(" ")}`, stack.cli(args))).stdout;
  const show = async (name: string): Promise<ShownApp> =>
    JSON.parse(await run("app", "show", name, "-o", "json")) as ShownApp;
  const dispose = async (): Promise<void> => {
    await stack.stop();
    prepared?.[Symbol.dispose]();
    await removeState(folder);
  };
  try {
    await stack.startControlPlane();
    await logIn(stack);
    await activateFabric(stack);
    const agent = stack.service("agent");
    agent.start();
    stack.service("monitoring-collector").start();
    await agent.waitReady();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    stack,
    folder,
    run,
    show,
    deploy: async (directory, ...args) =>
      JSON.parse(
        await run("app", "deploy", directory, "--fabric", localFabric, "--wait", "-o", "json", ...args),
      ) as ShownApp,
    hello: async ({ version, name = "hello", edit }) => {
      const directory = join(folder, `${name}-${version}`);
      await cp(join(repositoryRoot, "examples/hello"), directory, { recursive: true });
      const manifest = join(directory, "drawbridge.yaml");
      const text = await readFile(manifest, "utf8");
      await writeFile(
        manifest,
        text.replace(/^version: .*$/m, `version: ${version}`).replace(/^name: .*$/m, `name: ${name}`),
      );
      await edit?.(directory);
      return directory;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** Ask again until `look` gives something; the test's own time limit ends it. */
export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The version that a running hello says it is. */
export async function versionAt(address: string): Promise<string> {
  const response = await fetch(address, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  return ((await response.json()) as { version: string }).version;
}

export function addressOf(app: ShownApp): string {
  const [address] = app.status?.endpoints ?? [];
  if (address === undefined) throw new Error(`${app.name} has no address`);
  return address;
}
