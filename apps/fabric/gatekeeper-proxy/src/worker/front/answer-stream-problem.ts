import { constants, type ServerHttp2Stream } from "node:http2";
import { problemBody, problemHeaders, type Problem } from "../request/problem.ts";

/** Answer a stream that never became a request; what it still sends is not read. */
export function answerStreamProblem(stream: ServerHttp2Stream, problem: Problem): void {
  if (stream.destroyed) return;
  const body = problemBody(problem, "");
  const headers: Record<string, string | number> = { ":status": problem.status };
  const flat = problemHeaders(problem);
  for (let index = 0; index + 1 < flat.length; index += 2) headers[flat[index] ?? ""] = flat[index + 1] ?? "";
  stream.respond({ ...headers, "content-length": Buffer.byteLength(body) });
  stream.end(body, () => stream.close(constants.NGHTTP2_NO_ERROR));
}
