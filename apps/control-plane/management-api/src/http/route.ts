import type { Readable } from "node:stream";
import type { z } from "zod";
import type { AccessTokenKind } from "../domain/access-token.ts";
import type { Permission } from "../domain/permission.ts";
import type { RoleBinding } from "../domain/role.ts";
import type { ErrorCode } from "./error-catalogue.ts";
import { type OutputOf, parseInput } from "./parse-input.ts";

/** Who calls: a user, by one of his tokens. */
export interface Caller {
  readonly userId: string;
  readonly username: string;
  readonly bindings: readonly RoleBinding[];
  readonly token: { readonly id: string; readonly kind: AccessTokenKind; readonly expiresAt: Date };
}

/** What a request is about, before anything was parsed. */
export interface RawInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  /** JSON. */
  readonly body: unknown;
  /** The body of an upload. */
  readonly bytes: Readable | undefined;
  readonly caller: Caller | undefined;
  /** UUID by which peers recognise a repeated request. */
  readonly requestId: string;
  readonly address: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** Facts for the audit record. */
  readonly note: (facts: Readonly<Record<string, string>>) => void;
}

export interface ResponseSpec {
  readonly description: string;
  /** JSON body; with `lines` each line is one such document (NDJSON). */
  readonly body?: z.ZodType;
  readonly lines?: true;
  /** The body is a file of one of these media types. */
  readonly file?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly stream?: Readable;
  /** Media type of a stream; NDJSON if it is not given. */
  readonly mediaType?: string;
}

export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A route as the server and the OpenAPI document need it; made by `defineRoute` and `definePublicRoute`. */
export interface Route {
  readonly method: HttpMethod;
  /** In OpenAPI's form: "/v1/environments/{environment}/apps/{name}". */
  readonly path: string;
  /** `<noun>.<verb>`: operationId of the document and action of the audit record. */
  readonly action: string;
  readonly summary: string;
  readonly description?: string;
  readonly permission: Permission;
  /** Writes are always recorded; a read only where it shows something that its owner should know of. */
  readonly audit: "always" | "refusals";
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  /** JSON body. */
  readonly body?: z.ZodType;
  /** The body is a stream of bytes. */
  readonly upload?: true;
  readonly responses: Readonly<Record<number, ResponseSpec>>;
  /** Codes of this route besides those that every route has. */
  readonly errors: readonly ErrorCode[];
  /**
   * What is acted on, for the audit record; from unparsed input, so that refusals have it too. The body is undefined as
   * long as it has not been read.
   */
  readonly target: (params: Readonly<Record<string, string>>, body?: unknown) => string;
  run(input: RawInput): Promise<RouteReply>;
}

export interface RouteInput<P, Q, H, B> extends Omit<RawInput, "params" | "query" | "headers" | "body" | "caller"> {
  readonly params: OutputOf<P>;
  readonly query: OutputOf<Q>;
  readonly headers: OutputOf<H>;
  readonly body: OutputOf<B>;
}

type Responses = Readonly<Record<number, ResponseSpec>>;
type BodyOf<S> = S extends { readonly file: readonly (infer T)[] }
  ? { readonly stream: Readable; readonly mediaType: T & string }
  : S extends { readonly lines: true }
    ? { readonly stream: Readable }
    : S extends { readonly body: infer T extends z.ZodType }
      ? { readonly body: z.output<T> }
      : object;
type ReplyOf<R extends Responses> = {
  [S in keyof R & number]: { readonly status: S; readonly headers?: Readonly<Record<string, string>> } & BodyOf<R[S]>;
}[keyof R & number];

type Spec<P, Q, H, B, R extends Responses, C> = Omit<
  Route,
  "params" | "query" | "headers" | "body" | "responses" | "run" | "permission" | "audit" | "target"
> & {
  readonly params?: P;
  readonly query?: Q;
  readonly headers?: H;
  readonly body?: B;
  readonly responses: R;
  readonly audit?: Route["audit"];
  readonly target?: Route["target"];
  readonly handle: (input: RouteInput<P, Q, H, B> & { readonly caller: C }) => Promise<ReplyOf<NoInfer<R>>>;
};

type ObjectSchema = z.ZodObject | undefined;
type BodySchema = z.ZodType | undefined;

/** A route for users who are logged in. The permission has no default. */
export function defineRoute<
  P extends ObjectSchema = undefined,
  Q extends ObjectSchema = undefined,
  H extends ObjectSchema = undefined,
  B extends BodySchema = undefined,
  const R extends Responses = Responses,
>(
  spec: Spec<P, Q, H, B, R, Caller> & { readonly permission: Exclude<Permission, { readonly scope: "public" }> },
): Route {
  return buildRoute(spec, spec.permission, (raw) => {
    if (!raw.caller) throw new Error(`${spec.action} ran without a caller`);
    return raw.caller;
  });
}

/** A route for everybody. */
export function definePublicRoute<
  P extends ObjectSchema = undefined,
  Q extends ObjectSchema = undefined,
  H extends ObjectSchema = undefined,
  B extends BodySchema = undefined,
  const R extends Responses = Responses,
>(spec: Spec<P, Q, H, B, R, undefined>): Route {
  return buildRoute(spec, { scope: "public" }, () => undefined);
}

function buildRoute<
  P extends ObjectSchema,
  Q extends ObjectSchema,
  H extends ObjectSchema,
  B extends BodySchema,
  R extends Responses,
  C,
>(spec: Spec<P, Q, H, B, R, C>, permission: Permission, callerOf: (raw: RawInput) => C): Route {
  const { params, query, headers, body, handle, audit, target, ...rest } = spec;
  const isWrite = spec.method !== "GET" && spec.method !== "HEAD";
  return {
    ...rest,
    ...(params ? { params } : {}),
    ...(query ? { query } : {}),
    ...(headers ? { headers } : {}),
    ...(body ? { body } : {}),
    permission,
    audit: audit ?? (isWrite ? "always" : "refusals"),
    target: target ?? defaultTarget,
    run: (raw) => {
      // A destructured optional property adds "or undefined" to its type, which P, Q, H and B already allow for.
      const schemas = { params, query, headers, body } as Required<
        Pick<typeof spec, "params" | "query" | "headers" | "body">
      >;
      const parsed = parseInput(schemas, raw);
      return handle({
        ...parsed,
        caller: callerOf(raw),
        bytes: raw.bytes,
        requestId: raw.requestId,
        address: raw.address,
        signal: raw.signal,
        note: raw.note,
      });
    },
  };
}

/** "production/hello" for /v1/environments/{environment}/apps/{name}. */
function defaultTarget(params: Readonly<Record<string, string>>): string {
  return Object.values(params).join("/");
}

/** For routes that make something: its name in the body, as far as it can be one. */
export function namedInBody(member: string): Route["target"] {
  return (_params, body) => {
    const name =
      typeof body === "object" && body !== null ? Object.entries(body).find(([key]) => key === member)?.[1] : "";
    return typeof name === "string" && /^[a-z0-9][a-z0-9._-]{0,62}$/.test(name) ? name : "";
  };
}
