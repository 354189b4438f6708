import type { Clock } from "@drawbridge/lifecycle";
import { assertLabel, assertRequestId, textProblems } from "../domain/limits.ts";
import { fieldError } from "../domain/field-error.ts";
import type { Save, Saves } from "../store/save.ts";

/** How a message is read, to be compared, and answered, to be repeated. */
interface Codec<Request, Response> {
  readonly request: { encode(message: Request): { finish(): Uint8Array } };
  readonly response: { encode(message: Response): { finish(): Uint8Array }; decode(bytes: Uint8Array): Response };
}

interface WriteRequest {
  readonly requestId: string;
  readonly org: string;
  readonly requestedBy: string;
}

export interface WriteOptions<Request, Response> {
  readonly method: string;
  readonly codec: Codec<Request, Response>;
  /** "told once": the answer holds a secret and is not kept. Default "remembered". */
  readonly answer?: "remembered" | "told once";
  readonly work: (save: Save) => Promise<Response>;
}

export type Write = <Request extends WriteRequest, Response>(
  request: Request,
  options: WriteOptions<Request, Response>,
) => Promise<Response>;

/** Runs changes, and answers a repeated request with the bytes of the first answer. */
export function createWrite(saves: Saves, clock: Pick<Clock, "now">): Write {
  return async (request, { method, codec, answer = "remembered", work }) => {
    const problems = textProblems("requested_by", request.requestedBy, { atMost: 200 });
    if (problems.length > 0) throw fieldError("REQUEST_INVALID", problems);
    const facts = {
      org: assertLabel(request.org, "ORG_NAME_INVALID"),
      requestId: assertRequestId(request.requestId),
      requestedBy: request.requestedBy,
      method,
      requestBytes: codec.request.encode(request).finish(),
      now: clock.now(),
    };
    const result = await saves.run(facts, answer, async (save) => codec.response.encode(await work(save)).finish());
    return codec.response.decode(result.response);
  };
}
