import { BlockList, isIPv4 } from "node:net";
import { HeadMemory } from "../request/head-memory.ts";

/** A request under way on a client's connection. */
export interface ConnectionRequest {
  /** Something of its answer is on its way to the client. */
  readonly hasAnswered: boolean;
  /** Everything that the client had to send has come. */
  readonly isBodyRead: boolean;
  onClientGone(): void;
}

/** A client's connection: its address, and what ends with it. */
export class ClientConnection {
  /** Without IPv6 mapping. */
  readonly peerAddress: string;
  readonly isTls: boolean;
  readonly isTrusted: boolean;
  /** That the client asked for in its handshake, where certificates are chosen by it; empty: none. */
  readonly serverName: string;
  /** What every request of the connection tells a replica. */
  readonly forwardedLines: string;
  readonly heads = new HeadMemory();
  readonly #requests: ConnectionRequest[] = [];
  /** It closes behind an answer that says so, or that refused what could not be read: no further request of it is served. */
  isLast = false;
  readonly #next: (() => void)[] = [];
  #onIdle: (() => void) | undefined = undefined;

  constructor(options: {
    readonly peerAddress: string | undefined;
    readonly isTls: boolean;
    readonly trusted: BlockList;
    readonly serverName: string;
  }) {
    this.peerAddress = plainAddress(options.peerAddress ?? "unknown");
    this.isTls = options.isTls;
    this.serverName = options.serverName;
    this.isTrusted = isListed(options.trusted, this.peerAddress);
    this.forwardedLines = forwardedLinesOf(this.peerAddress, this.isTls);
  }

  /** No request is under way or waits. */
  get isIdle(): boolean {
    return this.#requests.length === 0 && this.#next.length === 0;
  }

  /** Usually one at a time; more if the client pipelines. */
  add(request: ConnectionRequest): void {
    this.#requests.push(request);
  }

  remove(request: ConnectionRequest): void {
    if (this.#requests.at(-1) === request) this.#requests.pop();
    else this.#requests.splice(this.#requests.indexOf(request), 1);
    if (this.#requests.length === 0 && (this.#next.length > 0 || this.#onIdle !== undefined)) {
      setImmediate(() => this.#goOn()); // behind the last bytes of the answer
    }
  }

  /**
   * Begin a request: now, or after those before it. Requests that a client sends without waiting for answers may depend on
   * each other (RFC 9112 9.3.2).
   */
  begin(start: () => void): void {
    if (this.isIdle) start();
    else this.#next.push(start);
  }

  #goOn(): void {
    if (this.#requests.length > 0) return;
    const start = this.#next.shift();
    if (start !== undefined) {
      start();
      if (this.#requests.length === 0) this.#goOn();
      return;
    }
    const refuse = this.#onIdle;
    this.#onIdle = undefined;
    refuse?.();
  }

  /**
   * What the client sent cannot be read on. `refuse` says so, behind the answers to what was complete; where an answer would
   * be taken for another request's, the connection is cut.
   */
  onUnreadable(refuse: () => void, cut: () => void): void {
    const faulty = this.#requests.findLast((request) => !request.isBodyRead);
    if (faulty === undefined) {
      if (this.isIdle) refuse();
      else this.#onIdle = refuse;
      return;
    }
    if (faulty.hasAnswered || this.#requests.length > 1 || this.#next.length > 0) return cut();
    faulty.onClientGone();
    refuse();
  }

  onClose(): void {
    this.#next.length = 0;
    this.#onIdle = undefined;
    for (const request of this.#requests.slice()) request.onClientGone(); // each takes itself off
  }
}

export function forwardedLinesOf(addresses: string, isTls: boolean): string {
  return `x-forwarded-for: ${addresses}\r\nx-forwarded-proto: ${isTls ? "https" : "http"}\r\nvia: 1.1 drawbridge\r\n`;
}

/** The client as trusted proxies tell it: the last address that is not one of theirs. */
export function clientBehindProxies(
  peerAddress: string,
  forwardedFor: string,
  trusted: BlockList,
): { readonly clientAddress: string; readonly chain: string } {
  const told = forwardedFor
    .split(",")
    .map((address) => plainAddress(address.trim()))
    .filter((address) => address !== "" && /^[0-9A-Fa-f:.]{2,45}$/.test(address));
  const clientAddress = told.findLast((address) => !isListed(trusted, address)) ?? told[0] ?? peerAddress;
  return { clientAddress, chain: [...told, peerAddress].join(", ") };
}

function plainAddress(address: string): string {
  const bare = address.replace(/^\[(.*)\](?::\d+)?$/, "$1").replace(/%.*$/, "");
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(bare) ? bare.slice(7) : bare;
}

function isListed(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}

export function trustedList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    list.addSubnet(address, Number(prefix ?? (family === "ipv4" ? 32 : 128)), family);
  }
  return list;
}
