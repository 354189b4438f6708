import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import { httpContext } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AuditTrail } from "../audit/audit-trail.ts";
import { describePermission, isPermitted } from "../domain/permission.ts";
import { requestIdFromKey } from "../domain/request-id.ts";
import type { Authenticate } from "./authentication.ts";
import { createRequestAudit, type RequestAudit } from "./request-audit.ts";
import { createRequestLimits, type RequestLimits, type RequestRates } from "./request-limits.ts";
import type { RequestState } from "./request-state.ts";
import type { Caller, Route } from "./route.ts";
import { watchAccess } from "./watch-access.ts";

export interface RegisterOptions {
  readonly routes: readonly Route[];
  readonly authenticate: Authenticate;
  readonly trail: AuditTrail;
  readonly rates: RequestRates;
  /** Told with every answer, so that clients who keep the bundle ask for a newer one before they need it. */
  readonly trustBundleSequence: () => bigint;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
}

/** A body that is not an upload must have arrived by then: slow senders hold a connection no longer. */
const bodyTimeoutMs = 30_000;
const maxIdempotencyKey = 200;
const maxDiscardedBytes = 16 * 1024 * 1024;

/**
 * Put routes on the server. In this order, for each: rate limit by address, authentication, rate limit by token,
 * permission, (body), audit intent, validation, handler, audit record, answer. What is refused never reads the body.
 */
export async function registerRoutes(app: FastifyInstance, options: RegisterOptions): Promise<void> {
  const limits = await createRequestLimits(app, options.rates);
  const audit = createRequestAudit({ trail: options.trail, logger: options.logger });
  const states = new WeakMap<FastifyRequest, RequestState>();

  app.addHook("onRequest", async (_request, reply) => {
    reply.header("drawbridge-trust-bundle-sequence", String(options.trustBundleSequence()));
  });
  app.addHook("onRequest", (request) => limits.admitAddress(request));

  function add(scope: FastifyInstance, route: Route): void {
    scope.route({
      method: route.method,
      url: route.path.replaceAll(/\{(\w+)\}/g, ":$1"),
      exposeHeadRoute: false,
      onRequest: async (request, reply) => {
        const state = openState(route, request, reply, options.ids);
        states.set(request, state);
        if (!route.upload) boundBody(request, options.clock);
        await admit(request, state, limits, options.authenticate);
      },
      handler: async (request, reply) => {
        const state = stateOf(states, request);
        return runRoute(request, reply, state, { ...options, audit });
      },
      onSend: async (request, reply, payload) => {
        const state = states.get(request);
        if (state) await audit.conclude(state, reply.statusCode, payload);
        if (route.upload) discardRest(request.raw);
        return payload;
      },
    });
  }

  for (const route of options.routes.filter(({ upload }) => !upload)) add(app, route);
  await app.register(async (scope) => {
    // Bytes are bytes: what calls itself JSON is not an upload, and is not parsed to find out.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("application/octet-stream", (_request, payload, done) => done(null, payload));
    for (const route of options.routes.filter(({ upload }) => upload)) add(scope, route);
  });
}

function openState(route: Route, request: FastifyRequest, reply: FastifyReply, ids: IdSource): RequestState {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (reply.raw.writableFinished) return;
    gone.abort(new DrawbridgeError({ kind: "cancelled", code: "CALL_CANCELLED", message: "the caller hung up" }));
  });
  return {
    route,
    address: httpContext(request).remoteAddress,
    gone: gone.signal,
    end: (reason) => gone.abort(reason),
    target: route.target(paramsOf(request)),
    facts: {},
    requestId: ids.next(),
    caller: undefined,
  };
}

/** Who calls, may he, and is it too often? Throws if not. */
async function admit(
  request: FastifyRequest,
  state: RequestState,
  limits: RequestLimits,
  authenticate: Authenticate,
): Promise<void> {
  const { route } = state;
  if (route.permission.scope === "public") return;
  await limits.admitAuthentication(request);
  try {
    state.caller = await authenticate(request.headers.authorization);
  } catch (error) {
    if (isDrawbridgeError(error) && error.kind === "unauthenticated") await limits.countRefusal(request);
    throw error;
  }
  const { username, token } = state.caller;
  await limits.admitToken(request, token.id);
  state.requestId = requestIdOf(request, route, username) ?? state.requestId;
  assertPermitted(request, route, state.caller);
}

function assertPermitted(request: FastifyRequest, route: Route, { username, bindings }: Caller): void {
  const environment = paramsOf(request)["environment"];
  if (isPermitted(route.permission, bindings, environment)) return;
  throw new DrawbridgeError({
    kind: "permission_denied",
    code: "PERMISSION_DENIED",
    message: `${route.action} needs ${describePermission(route.permission, environment)}, which ${username} does not have`,
  });
}

async function runRoute(
  request: FastifyRequest,
  reply: FastifyReply,
  state: RequestState,
  { audit, authenticate, clock }: Pick<RegisterOptions, "authenticate" | "clock"> & { readonly audit: RequestAudit },
): Promise<FastifyReply> {
  const { route } = state;
  if (!route.upload) state.target = route.target(paramsOf(request), request.body);
  await audit.begin(state);
  const answer = await route.run({
    params: request.params,
    query: request.query,
    headers: request.headers,
    body: route.upload ? undefined : request.body,
    bytes: request.body instanceof Readable ? request.body : undefined,
    caller: state.caller,
    requestId: state.requestId,
    address: state.address,
    signal: state.gone,
    note: (facts) => void Object.assign(state.facts, facts),
  });
  void reply.code(answer.status).headers(answer.headers ?? {});
  if (answer.stream) {
    const look = async (): Promise<void> =>
      assertPermitted(request, route, await authenticate(request.headers.authorization));
    if (route.permission.scope !== "public") watchAccess(answer.stream, { look, end: state.end, clock });
    return reply.type(answer.mediaType ?? "application/x-ndjson").send(answer.stream);
  }
  return answer.body === undefined ? reply.send() : reply.type("application/json").send(answer.body);
}

/** Cut a connection whose body drips in; a body that has arrived, or an answer, ends the watch. */
function boundBody(request: FastifyRequest, clock: Clock): void {
  const arrived = new AbortController();
  const end = (): void => arrived.abort();
  request.raw.once("end", end).once("close", end);
  clock.sleep(bodyTimeoutMs, arrived.signal).then(
    // Nobody reads the end of a body that was not there, as of a request whose answer is followed.
    () => void (request.raw.complete || request.raw.destroy()),
    () => undefined, // it arrived
  );
}

/**
 * Read what is left of a body that was answered before its end. Node does so only for bodies that nobody began to read;
 * the next request on the connection would wait behind the rest for ever. Too much of it costs the connection.
 */
function discardRest(body: IncomingMessage): void {
  if (body.complete || body.destroyed) return;
  let leftBytes = maxDiscardedBytes;
  body.on("data", (chunk: Buffer) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) body.destroy();
  });
  body.resume();
}

function requestIdOf(request: FastifyRequest, route: Route, username: string): string | undefined {
  const key = request.headers["idempotency-key"];
  if (key === undefined || route.method === "GET" || route.method === "HEAD") return undefined;
  if (typeof key !== "string" || key === "" || key.length > maxIdempotencyKey) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "REQUEST_INVALID",
      message: `the header Idempotency-Key must be one text of 1 to ${maxIdempotencyKey} characters`,
    });
  }
  return requestIdFromKey(key, { username, route: `${route.method} ${request.url}` });
}

function paramsOf(request: FastifyRequest): Readonly<Record<string, string>> {
  const { params } = request;
  return typeof params === "object" && params !== null ? Object.fromEntries(Object.entries(params)) : {};
}

function stateOf(states: WeakMap<FastifyRequest, RequestState>, request: FastifyRequest): RequestState {
  const state = states.get(request);
  if (!state) throw new Error("a handler ran without its onRequest hook");
  return state;
}
