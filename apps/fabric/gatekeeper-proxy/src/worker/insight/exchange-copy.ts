import type { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { CaptureOrder } from "../../insight/capture-order.ts";
import type { CopiedBody, CopiedExchange } from "../../insight/insight-protocol.ts";
import { mostBodyBytes } from "../../insight/mask/mask-body.ts";
import type { ApiCaptures } from "./api-captures.ts";

/** What an exchange needs of its thread's recorder. */
export interface CopyKeeper {
  /** False: there is no room. */
  reserve(bytes: number): boolean;
  release(bytes: number): void;
  /** Told once, of the captures that were met. */
  lose(orders: readonly CaptureOrder[], reason: "memory" | "fault"): void;
  /** It is over; whoever gets it releases what is held. */
  deliver(exchange: Omit<CopiedExchange, "type">): void;
}

export interface CopyBegin {
  readonly captures: ApiCaptures;
  readonly orders: readonly CaptureOrder[];
  readonly method: string;
  readonly pathTemplate: string;
  /** Without "?". */
  readonly query: string;
  readonly fields: readonly string[];
  readonly hasBody: boolean;
}

export interface CopyEnd {
  readonly isComplete: boolean;
  readonly replica: string;
  readonly clientApplication: string;
  readonly receivedAtMs: number;
  readonly status: number;
  readonly disposition: Disposition;
  readonly violatedPolicy: string;
  readonly latencyMs: number;
  readonly upstreamMs: number;
}

const overheadBytes = 1_024;
const leastBufferBytes = 1_024;

/*
 * A copy of one exchange while it passes.
 *
 * Invariants: nothing here throws or waits: whatever goes wrong ends the copy and not the request. What is held was reserved
 * before, and is released or handed over once.
 */
export class ExchangeCopy {
  readonly #keeper: CopyKeeper;
  readonly #begin: CopyBegin;
  readonly #request: BodyCopy;
  readonly #response: BodyCopy;
  #responseHeaders: readonly string[] = [];
  #held = 0;
  #isDone = false;

  constructor(keeper: CopyKeeper, begin: CopyBegin) {
    this.#keeper = keeper;
    this.#begin = begin;
    const { parts } = begin.captures;
    this.#request = new BodyCopy(parts.has("requestBody"));
    this.#response = new BodyCopy(parts.has("responseBody"));
    this.#request.isEnded = !begin.hasBody;
    this.#safely(() => this.#reserve(overheadBytes + 2 * (sizeOf(begin.fields) + begin.query.length)));
  }

  takeRequest(bytes: Uint8Array): void {
    this.#safely(() => this.#take(this.#request, bytes));
  }

  endRequest(): void {
    this.#request.isEnded = true;
  }

  takeHead(headers: readonly string[]): void {
    this.#safely(() => {
      if (this.#reserve(2 * sizeOf(headers))) this.#responseHeaders = headers.slice();
    });
  }

  takeResponse(bytes: Uint8Array): void {
    this.#safely(() => this.#take(this.#response, bytes));
  }

  end(end: CopyEnd): void {
    this.#safely(() => {
      this.#isDone = true;
      const { captures, orders, method, pathTemplate, query, fields } = this.#begin;
      const { isComplete, latencyMs, upstreamMs, ...facts } = end;
      this.#response.isEnded = isComplete;
      this.#keeper.deliver({
        ...facts,
        latencyUs: latencyMs * 1_000,
        upstreamUs: upstreamMs * 1_000,
        orders,
        heldBytes: this.#held,
        api: captures.api,
        app: captures.app,
        method,
        pathTemplate,
        query,
        requestHeaders: fields,
        responseHeaders: this.#responseHeaders,
        requestBody: this.#request.toBody(),
        responseBody: this.#response.toBody(),
      });
    });
  }

  #take(body: BodyCopy, bytes: Uint8Array): void {
    body.sizeBytes += bytes.length;
    if (!body.isWanted) return;
    if (body.sizeBytes > mostBodyBytes) {
      this.#held -= body.heldBytes;
      this.#keeper.release(body.heldBytes);
      return body.drop();
    }
    if (body.hasRoom || this.#grow(body)) body.keep(bytes);
  }

  /** The old buffer is held until what it has was copied. */
  #grow(body: BodyCopy): boolean {
    const { heldBytes: oldBytes, wantedBytes } = body;
    if (!this.#reserve(wantedBytes)) return false;
    body.grow(wantedBytes);
    this.#held -= oldBytes;
    this.#keeper.release(oldBytes);
    return true;
  }

  #reserve(bytes: number): boolean {
    if (this.#keeper.reserve(bytes)) {
      this.#held += bytes;
      return true;
    }
    this.#giveUp("memory");
    return false;
  }

  #giveUp(reason: "memory" | "fault"): void {
    this.#isDone = true;
    this.#request.drop();
    this.#response.drop();
    this.#keeper.release(this.#held);
    this.#held = 0;
    this.#keeper.lose(this.#begin.orders, reason);
  }

  #safely(work: () => void): void {
    if (this.#isDone) return;
    try {
      work();
    } catch {
      try {
        this.#giveUp("fault");
      } catch {
        this.#isDone = true; // nobody counts it, and the request goes on
      }
    }
  }
}

/** One buffer, which doubles: many small pieces take no more memory than is reserved. */
class BodyCopy {
  isWanted: boolean;
  isEnded = false;
  /** All that passed. */
  sizeBytes = 0;
  #isTooLarge = false;
  #buffer = new Uint8Array(0);
  #keptBytes = 0;

  constructor(isWanted: boolean) {
    this.isWanted = isWanted;
  }

  get heldBytes(): number {
    return this.#buffer.length;
  }

  /** Whether all that passed fits. */
  get hasRoom(): boolean {
    return this.sizeBytes <= this.heldBytes;
  }

  /** Of the next buffer. */
  get wantedBytes(): number {
    return Math.min(mostBodyBytes, Math.max(this.sizeBytes, 2 * this.heldBytes, leastBufferBytes));
  }

  grow(bytes: number): void {
    const grown = new Uint8Array(bytes);
    grown.set(this.#buffer.subarray(0, this.#keptBytes));
    this.#buffer = grown;
  }

  /** A piece may be used again by whoever gave it. */
  keep(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#keptBytes);
    this.#keptBytes += bytes.length;
  }

  drop(): void {
    this.isWanted = false;
    this.#isTooLarge = true;
    this.#buffer = new Uint8Array(0);
    this.#keptBytes = 0;
  }

  toBody(): CopiedBody {
    const { sizeBytes } = this;
    if (!this.isEnded) return { bytes: undefined, sizeBytes, state: "incomplete" };
    if (this.#isTooLarge || !this.isWanted) return { bytes: undefined, sizeBytes, state: "too_large" };
    return { bytes: this.#buffer.subarray(0, this.#keptBytes), sizeBytes, state: "whole" };
  }
}

function sizeOf(fields: readonly string[]): number {
  return fields.reduce((sum, text) => sum + text.length, 0);
}
