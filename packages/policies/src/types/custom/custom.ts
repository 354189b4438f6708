import { z } from "zod";
import type { Exchange } from "../../pipeline/exchange.ts";
import type { Reply } from "../../pipeline/reply.ts";
import { PolicyConfigurationError } from "../../policy-configuration-error.ts";
import { definePolicyType, type PolicyContext } from "../../policy-type.ts";
import type { PolicyServices, RunningModule } from "../../policy-services.ts";
import { createWorkQueue } from "../../work-queue.ts";
import { headerNameField } from "../header-fields.ts";
import { findSignatureProblem, hasDigest } from "./module-signature.ts";
import { readVerdict, type ModuleVerdict } from "./module-verdict.ts";

const schema = z.strictObject({
  module: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in lower-case hex")
    .describe(
      "SHA-256 of the module, an ES module that exports onRequest(request, configuration); given as an asset of the policy",
    ),
  signature: z
    .string()
    .max(2048)
    .regex(/^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$/, "must be a JWS without its payload: <header>..<signature>")
    .describe(
      "signature of the module by a key that the gateway trusts: detached JWS, EdDSA or ES256, typ drawbridge-module+jws",
    ),
  configuration: z.record(z.string().max(128), z.json()).default({}).describe("passed to the module with each request"),
  requestHeaders: z
    .array(headerNameField("name of a header"))
    .max(50)
    .default([])
    .describe("request headers that the module sees"),
  claims: z.boolean().default(false).describe("let the module see the claims of whoever was authenticated"),
  timeoutMs: z
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(50)
    .describe(
      "milliseconds that one request may take in the module; beyond, its worker is ended and the request refused",
    ),
  memoryLimitMb: z.number().int().min(8).max(256).default(32).describe("heap of the module's worker"),
  waiting: z
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(256)
    .describe("requests that may wait for the module in one worker thread of the gateway; beyond, 503"),
});

type Configuration = z.output<typeof schema>;

const loadTimeoutMs = 5000;

export const custom = definePolicyType<Configuration>({
  type: "custom",
  title: "Custom policy",
  description:
    "Asks a signed module of the operator about each request, in a worker of its own with limits on time and memory.",
  category: "transformation",
  schema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  async create(configuration, context, services) {
    const module = await startTrusted(configuration, { context, services });
    // One request at a time, so that the time limit of each is its own; a module has nothing to wait for.
    const queue = createWorkQueue({ concurrent: 1, waiting: configuration.waiting });
    // Only set below.
    const verdictOf = (exchange: Exchange) => exchange.state(context.slot) as ModuleVerdict | undefined;
    return {
      onRequest(exchange) {
        const input = [inputOf(exchange, configuration), configuration.configuration];
        const asked = queue.run(() => module.call("onRequest", input, configuration.timeoutMs));
        if (!asked) return context.refuse(exchange, busy);
        return asked.then(
          (value) => enforce(exchange, { verdict: value, context, services }),
          (cause: unknown) => fail(exchange, { cause, context, services }),
        );
      },
      onResponse(exchange, response) {
        for (const [name, value] of Object.entries(verdictOf(exchange)?.setResponseHeaders ?? {}))
          response.setHeader(name, value);
      },
      close: () => module.close(),
    };
  },
});

const busy = {
  status: 503,
  reason: "module_busy",
  title: "Too many requests wait for a check",
  headers: ["retry-after", "1"],
} as const;

interface Surroundings {
  readonly context: PolicyContext;
  readonly services: PolicyServices;
}

/** Nothing of the module runs before its digest and its signature are right. */
async function startTrusted(
  { module, signature, memoryLimitMb }: Configuration,
  { context, services }: Surroundings,
): Promise<RunningModule> {
  const shared = context.assets.get(module);
  if (!shared) throw new PolicyConfigurationError("module", "is not among the assets of the policy");
  // Assets are in memory that threads share: what was checked must be what runs.
  const bytes = Uint8Array.from(shared);
  if (!hasDigest(bytes, module)) throw new PolicyConfigurationError("module", "is not the SHA-256 of the asset");
  const { trustedModuleKeys } = services;
  const problem =
    trustedModuleKeys === "not_checked"
      ? undefined
      : await findSignatureProblem(signature, { module: bytes, trustedKeys: trustedModuleKeys });
  if (problem === "malformed")
    throw new PolicyConfigurationError("signature", "is no signature of a module by EdDSA or ES256");
  if (problem === "untrusted")
    throw new PolicyConfigurationError("signature", "is by no key that this gateway trusts, or of another module");
  const source = readSource(bytes);
  try {
    return await services.startModule({ source, name: context.policyName, memoryLimitMb, loadTimeoutMs });
  } catch (cause) {
    throw new PolicyConfigurationError("module", "cannot be loaded", { cause });
  }
}

function readSource(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PolicyConfigurationError("module", "is no UTF-8 text", { cause });
  }
}

/** What a module sees of a request: no body, and of the headers only those that the policy names. */
function inputOf(exchange: Exchange, { requestHeaders, claims }: Configuration): unknown {
  return {
    id: exchange.id,
    method: exchange.method,
    authority: exchange.authority,
    path: exchange.path,
    query: exchange.query,
    clientAddress: exchange.clientAddress,
    isTls: exchange.isTls,
    contentLength: exchange.contentLength ?? null,
    headers: requestHeaders.flatMap((name) => {
      const value = exchange.header(name.toLowerCase());
      return value === undefined ? [] : [[name.toLowerCase(), value]];
    }),
    client: exchange.client
      ? {
          clientId: exchange.client.clientId,
          clientName: exchange.client.clientName,
          tierId: exchange.client.tierId ?? null,
        }
      : null,
    claims: claims ? (exchange.principal ?? null) : null,
  };
}

function enforce(
  exchange: Exchange,
  { verdict: value, ...surroundings }: Surroundings & { verdict: unknown },
): Reply | undefined {
  const { context } = surroundings;
  let verdict: ModuleVerdict;
  try {
    verdict = readVerdict(value);
  } catch (cause) {
    return fail(exchange, { cause, ...surroundings });
  }
  exchange.setState(context.slot, verdict);
  if (verdict.refuse) {
    const { status, title, detail } = verdict.refuse;
    return context.refuse(exchange, {
      status,
      reason: "module_refused",
      title,
      ...(detail === undefined ? {} : { detail }),
    });
  }
  for (const name of verdict.removeHeaders) exchange.removeHeader(name.toLowerCase());
  for (const [name, text] of Object.entries(verdict.setHeaders)) {
    // Many servers read both as one name: the client must not be able to add its own beside ours.
    exchange.removeHeader(name.toLowerCase().replaceAll("-", "_"));
    exchange.setHeader(name, text);
  }
  return undefined;
}

function fail(exchange: Exchange, { cause, context, services }: Surroundings & { cause: unknown }): Reply {
  const { apiId, policyId, policyName } = context;
  services.raiseAlarm({
    apiId,
    policyId,
    policyName,
    code: "MODULE_FAILED",
    message: "the module gave no verdict in time",
    cause,
  });
  return context.refuse(exchange, { status: 500, reason: "module_failed", title: "The request could not be checked" });
}
