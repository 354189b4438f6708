import { STATUS_CODES } from "node:http";
import { connect, type Socket } from "node:net";
import { pipeline, type Duplex } from "node:stream";
import type { ClientConnection } from "../front/client-connection.ts";
import {
  replicaAnswerMalformed,
  replicaConnectionLost,
  replicaTooSlow,
  replicaUnavailable,
} from "../request/problem.ts";
import { chooseReplica, type Replica } from "../route/replica.ts";
import type { ResponseHead } from "../upstream/response-head.ts";
import { ResponseReader, type ReadOutcome } from "../upstream/response-reader.ts";
import { fieldLinesOf } from "./outgoing-request.ts";
import { ProxiedRequest } from "./proxied-request.ts";
import type { Arrival, RequestContext } from "./request-context.ts";

export interface UpgradeOptions {
  readonly context: RequestContext;
  readonly arrival: Arrival;
  readonly socket: Duplex;
  /** What the client sent behind its head. */
  readonly head: Buffer;
  readonly connection: ClientConnection;
}

/*
 * A request for another protocol. After the replica's 101 the two connections are one; until then the client's bytes wait.
 * An answer other than 101 is passed on and ends the client's connection.
 */
export class UpgradeRequest extends ProxiedRequest {
  readonly #client: Duplex;
  readonly #early: Buffer;
  readonly #connection: ClientConnection;
  #replica: Replica | undefined = undefined;
  #tried: readonly Replica[] = [];
  #socket: Socket | undefined = undefined;
  #cancelTimeout: (() => void) | undefined = undefined;
  #protocol = "";
  #isChunked = false;

  constructor({ context, arrival, socket, head, connection }: UpgradeOptions) {
    super(context, arrival);
    this.#client = socket;
    this.#early = head;
    this.#connection = connection;
    connection.add(this);
  }

  readonly isBodyRead = true;

  protected forward(): void {
    const { context } = this;
    const replica = chooseReplica(this.ready, { tried: this.#tried, turn: context.nextTurn(), nowMs: context.nowMs });
    if (replica === undefined) return this.fail(replicaUnavailable);
    this.#replica = replica;
    this.answeredBy = replica.endpoint.replicaId;
    replica.inFlight += 1;
    this.markForwarded(replica.endpoint.replicaId);
    const { address, port } = replica.endpoint;
    const socket = connect({ host: address, port, noDelay: true });
    this.#socket = socket;
    this.#startTimeout(context.settings.connectTimeoutMs);
    const reader = new ResponseReader();
    let isConnected = false;
    socket.once("connect", () => {
      isConnected = true;
      this.#startTimeout(context.settings.responseTimeoutMs);
      reader.begin(this, { isHeadRequest: this.arrival.method === "HEAD", isUpgradeRequest: true });
      socket.write(this.#requestHead(), "latin1");
    });
    const onData = (bytes: Buffer): void => {
      const outcome = reader.read(bytes);
      if (outcome === "switched") socket.removeListener("data", onData);
      this.#take(outcome, reader);
    };
    socket.on("data", onData);
    socket.on("error", () => undefined); // "close" follows
    socket.once("end", () => {
      if (this.#socket === socket && reader.readEnd() === "done") this.#take("done", reader);
    });
    socket.once("close", () => {
      if (this.#socket !== socket || this.isOver || this.#protocol !== "") return;
      this.#release();
      if (isConnected) return this.fail(replicaConnectionLost);
      this.#tried = [...this.#tried, replica];
      this.forward();
    });
  }

  #requestHead(): string {
    const { method, target, fields } = this.arrival;
    const line = `${method} ${target.path}${target.search} HTTP/1.1\r\n`;
    const switching = `connection: upgrade\r\nupgrade: ${fields.upgrade}\r\n\r\n`;
    return line + fieldLinesOf(this.arrival, this.requestId) + switching;
  }

  #take(outcome: ReadOutcome, reader: ResponseReader): void {
    if (this.isOver || outcome === "more") return;
    if (outcome === "malformed" || reader.head === undefined) return this.fail(replicaAnswerMalformed);
    if (outcome === "done") {
      this.#stopTimeout();
      this.#destroySocket();
      return this.passEnd(reader.trailers);
    }
    this.#stopTimeout();
    this.#protocol = reader.head.upgrade;
    this.passHead(reader.head, false);
    this.countMessage(); // what goes over the connection from now on is not this request's
    if (!this.isOver && this.#socket !== undefined) this.#join(this.#socket, reader.rest);
  }

  #join(replica: Socket, rest: Buffer | undefined): void {
    const client = this.#client;
    if (rest !== undefined && rest.length > 0) client.write(rest);
    if (this.#early.length > 0) replica.write(this.#early);
    let open = 2;
    const onEnd = (error: unknown): void => {
      open -= 1;
      if (error !== null && error !== undefined) {
        client.destroy();
        replica.destroy();
      }
      if (open > 0) return;
      this.requestBytes = replica.bytesWritten;
      this.responseBytes = replica.bytesRead;
      this.finish("complete");
    };
    pipeline(client, replica, onEnd);
    pipeline(replica, client, onEnd);
  }

  onInformational(): void {
    // an interim answer means nothing to somebody who waits for another protocol
  }

  onHead(head: ResponseHead, isBodyNext: boolean): void {
    this.#startTimeout(0);
    this.passHead(head, isBodyNext);
  }

  onBody(bytes: Buffer, isLast: boolean): boolean {
    if (this.isOver) return true;
    const socket = this.#socket;
    if (!this.passBody(bytes, isLast) && socket !== undefined) {
      socket.pause();
      this.#client.once("drain", () => socket.resume());
    }
    return true;
  }

  protected sendHead(head: {
    status: number;
    reason: string;
    headers: string[];
    length: number;
    hasBody: boolean;
  }): void {
    const { status, reason, headers, length, hasBody } = head;
    let text = `HTTP/1.1 ${status} ${reason === "" ? (STATUS_CODES[status] ?? "") : reason}\r\n`;
    for (let index = 0; index + 1 < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`;
    if (status === 101) text += `connection: upgrade\r\nupgrade: ${this.#protocol}\r\n`;
    else {
      this.#isChunked = hasBody && length < 0;
      if (length >= 0) text += `content-length: ${length}\r\n`;
      if (this.#isChunked) text += "transfer-encoding: chunked\r\n";
      text += "connection: close\r\n";
    }
    this.#client.write(`${text}\r\n`, "latin1");
  }

  protected flushHead(): void {
    // written at once
  }

  protected sendBody(bytes: Uint8Array): boolean {
    if (!this.#isChunked) return this.#client.write(bytes);
    this.#client.write(`${bytes.length.toString(16)}\r\n`, "latin1");
    this.#client.write(bytes);
    return this.#client.write("\r\n", "latin1");
  }

  protected sendEnd(): void {
    this.#client.end(this.#isChunked ? "0\r\n\r\n" : "");
  }

  protected breakOff(): void {
    this.#client.destroy();
  }

  protected collectBody(): Promise<Uint8Array | "too_large"> {
    return Promise.resolve(new Uint8Array()); // has none
  }

  protected abandon(): void {
    this.#stopTimeout();
    this.#destroySocket();
  }

  protected onOver(): void {
    this.#release();
    this.#connection.remove(this);
  }

  #destroySocket(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    this.#release();
  }

  #release(): void {
    const replica = this.#replica;
    if (replica === undefined) return;
    this.#replica = undefined;
    replica.inFlight -= 1;
    this.context.onReplicaReleased(replica);
  }

  /** 0: none. */
  #startTimeout(ms: number): void {
    this.#stopTimeout();
    if (ms > 0) this.#cancelTimeout = this.context.after(ms, () => this.fail(replicaTooSlow));
  }

  #stopTimeout(): void {
    this.#cancelTimeout?.();
    this.#cancelTimeout = undefined;
  }
}
