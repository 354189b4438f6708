import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { isDrawbridgeError, toError } from "@drawbridge/errors";
import { printNatsUsers, provisionNats } from "./nats-command.ts";
import { smoke } from "./smoke.ts";
import { repositoryRoot } from "./stack/child.ts";
import { start } from "./start.ts";

const usage = `usage: npm start -- [--fresh] [--state-dir <folder>] [--port-base <port>]
       npm run smoke
       node infra/local/src/main.ts nats-users
       node infra/local/src/main.ts nats-provision --nats-url <url> --nats-credentials-file <file> [--stream-replicas 3]`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      fresh: { type: "boolean", default: false },
      "state-dir": { type: "string" },
      "port-base": { type: "string" },
      "nats-url": { type: "string" },
      "nats-credentials-file": { type: "string" },
      "stream-replicas": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help || positionals.length !== 1) {
    print(usage);
    return values.help ? 0 : 2;
  }
  if (positionals[0] === "smoke") return smoke(print);
  if (positionals[0] === "nats-users") {
    printNatsUsers(print);
    return 0;
  }
  const { "nats-url": url, "nats-credentials-file": credentialsFile, "stream-replicas": replicas } = values;
  if (positionals[0] === "nats-provision" && url !== undefined && credentialsFile !== undefined) {
    await provisionNats({
      url,
      credentialsFile,
      streamReplicas: replicas === undefined ? undefined : Number(replicas),
      print,
    });
    return 0;
  }
  if (positionals[0] !== "start") {
    print(usage);
    return 2;
  }
  const stopping = new AbortController();
  const onSignal = (): void => stopping.abort(new Error("stopping"));
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  await start({
    stateDir: resolve(repositoryRoot, values["state-dir"] ?? process.env["DRAWBRIDGE_STATE_DIR"] ?? ".drawbridge"),
    fresh: values.fresh,
    print,
    signal: stopping.signal,
    ...(values["port-base"] === undefined ? {} : { portBase: Number(values["port-base"]) }),
  });
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const code = isDrawbridgeError(error) ? `\n(${error.code})` : "";
  process.stderr.write(`drawbridge: ${toError(error).message}${code}\n`);
  process.exitCode = 1;
}
