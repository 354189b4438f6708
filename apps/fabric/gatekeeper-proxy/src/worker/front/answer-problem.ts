import { STATUS_CODES, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { endLingering, lingerOnClose } from "@drawbridge/lifecycle";
import { problemBody, problemHeaders, type Problem } from "../request/problem.ts";

/** Answer a request that never became one. Its connection is closed: nobody knows what else is on it. */
export function answerProblem(response: ServerResponse, problem: Problem): void {
  const body = problemBody(problem, "");
  const headers = problemHeaders(problem);
  headers.push("content-length", String(Buffer.byteLength(body)));
  headers.push("connection", "close");
  response.writeHead(problem.status, headers);
  lingerOnClose(response.req);
  response.end(body);
}

/** The same where there is no response object. */
export function writeProblem(socket: Duplex, problem: Problem, requestId = ""): void {
  if (!socket.writable) return void socket.destroy();
  const body = problemBody(problem, requestId);
  const headers = problemHeaders(problem);
  let head = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ""}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  endLingering(socket, `${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
}
