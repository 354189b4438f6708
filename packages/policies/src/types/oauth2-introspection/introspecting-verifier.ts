import { BoundedCache } from "../../bounded-cache.ts";
import type { OutboundFetch, PolicyClock } from "../../policy-services.ts";
import { createWorkQueue } from "../../work-queue.ts";
import { claimOf, findClaimProblem, type ClaimRules } from "../jwt-validation/claims.ts";
import type { TokenProblem, TokenVerdict, TokenVerifier } from "../jwt-validation/token-verifier.ts";

export interface IntrospectionOptions {
  readonly endpoint: string;
  /** PEM roots to trust at the endpoint instead of the system's. */
  readonly trustedRoots?: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** How we say who we are (RFC 6749, section 2.3.1). */
  readonly authentication: "basic" | "post";
  readonly timeoutMs: number;
  readonly activeTtlMs: number;
  readonly inactiveTtlMs: number;
  /** Without issuers: the answer need not name one. */
  readonly rules: ClaimRules;
  readonly fetch: OutboundFetch;
  readonly clock: Pick<PolicyClock, "nowMs">;
  /** The endpoint did not answer as it should; told at every such request, without the token. */
  readonly reportFailure: (message: string) => void;
}

type Claims = Readonly<Record<string, unknown>>;
type Answer =
  | { readonly kind: "active"; readonly claims: Claims }
  | { readonly kind: "inactive" | "unavailable" | "busy" };

const mostRemembered = 10_000;
const longestRememberedToken = 4096;
const largestAnswerBytes = 65_536;
const questions = { concurrent: 32, waiting: 256 };
const utf8 = new TextDecoder("utf-8", { fatal: true });

const bad = (problem: TokenProblem): TokenVerdict => ({ isGood: false, problem });

/**
 * Asks the issuer about each token (RFC 7662). Good answers are remembered until the token's end or the TTL, whichever is
 * sooner; "inactive" for seconds and apart, so that a flood of invented tokens pushes no good one out. No answer means
 * "unavailable": never good.
 */
export function createIntrospectingVerifier(options: IntrospectionOptions): TokenVerifier {
  const { clock } = options;
  const active = new BoundedCache<Claims>(mostRemembered);
  const inactive = new BoundedCache<true>(mostRemembered);
  /** Questions under way: the same token in many requests at once is asked about once. */
  const underWay = new Map<string, Promise<Answer>>();
  const queue = createWorkQueue(questions);

  const remember = (token: string, answer: Answer) => {
    if (token.length > longestRememberedToken) return;
    const nowMs = clock.nowMs();
    if (answer.kind === "inactive") inactive.set(token, true, nowMs + options.inactiveTtlMs);
    if (answer.kind !== "active") return;
    const expiry = claimOf(answer.claims, "exp");
    const endMs = typeof expiry === "number" ? expiry * 1000 : Number.POSITIVE_INFINITY;
    active.set(token, answer.claims, Math.min(endMs, nowMs + options.activeTtlMs));
  };

  const ask = (token: string): Promise<Answer> => {
    const pending = underWay.get(token);
    if (pending) return pending;
    const asked = queue.run(() => introspect(token, options));
    if (!asked) return Promise.resolve({ kind: "busy" });
    const answered = asked
      .catch((): Answer => ({ kind: "unavailable" }))
      .then((answer) => {
        underWay.delete(token);
        remember(token, answer);
        return answer;
      });
    underWay.set(token, answered);
    return answered;
  };

  return {
    verify(token) {
      const nowMs = clock.nowMs();
      const known = active.get(token, nowMs);
      if (known) return judge(known, options);
      if (inactive.get(token, nowMs)) return bad("inactive");
      return ask(token).then((answer) => (answer.kind === "active" ? judge(answer.claims, options) : bad(answer.kind)));
    },
  };
}

/** An active token may still be for somebody else, or not grant enough. */
function judge(claims: Claims, { rules, clock }: IntrospectionOptions): TokenVerdict {
  const problem = findClaimProblem({ claims, type: undefined }, rules, clock.nowMs());
  return problem ? bad(problem) : { isGood: true, claims };
}

async function introspect(token: string, options: IntrospectionOptions): Promise<Answer> {
  const { endpoint, clientId, clientSecret, authentication, timeoutMs, reportFailure, trustedRoots } = options;
  const form = new URLSearchParams({ token, token_type_hint: "access_token" });
  if (authentication === "post") {
    form.set("client_id", clientId);
    form.set("client_secret", clientSecret);
  }
  const credentials = Buffer.from(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`).toString("base64");
  try {
    const { status, body } = await options.fetch({
      method: "POST",
      url: endpoint,
      headers: {
        accept: "application/json",
        "content-type": "application/x-www-form-urlencoded",
        ...(authentication === "basic" ? { authorization: `Basic ${credentials}` } : {}),
      },
      body: form.toString(),
      timeoutMs,
      maximumBytes: largestAnswerBytes,
      ...(trustedRoots === undefined ? {} : { trustedRoots }),
    });
    if (status !== 200) {
      reportFailure(`the introspection endpoint answered ${status}`);
      return { kind: "unavailable" };
    }
    const answer = readAnswer(body);
    if (answer.kind === "unavailable")
      reportFailure("the introspection endpoint answered without saying whether the token is active");
    return answer;
  } catch {
    reportFailure("the introspection endpoint gave no answer");
    return { kind: "unavailable" };
  }
}

/** RFC 7662, section 2.2: `active` is a boolean; anything else tells nothing. */
function readAnswer(body: Uint8Array): Answer {
  const answer: unknown = JSON.parse(utf8.decode(body));
  if (typeof answer !== "object" || answer === null || !Object.hasOwn(answer, "active")) return { kind: "unavailable" };
  // `as` holds: an object with own properties is a record.
  const claims = answer as Record<string, unknown>;
  if (claims["active"] === true) return { kind: "active", claims };
  return { kind: claims["active"] === false ? "inactive" : "unavailable" };
}

/** RFC 6749, section 2.3.1: both halves are form-encoded before they are joined. */
function formEncoded(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2);
}
