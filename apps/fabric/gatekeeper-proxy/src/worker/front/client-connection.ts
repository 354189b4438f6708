import { BlockList, isIPv4 } from "node:net";

/** A request under way on a client's connection. */
export interface ConnectionRequest {
  onClientGone(): void;
}

/** A client's connection: its address, and what ends with it. */
export class ClientConnection {
  /** Without IPv6 mapping. */
  readonly peerAddress: string;
  readonly isTls: boolean;
  readonly isTrusted: boolean;
  /** What every request of the connection tells a replica. */
  readonly forwardedLines: string;
  readonly #requests: ConnectionRequest[] = [];

  constructor(options: {
    readonly peerAddress: string | undefined;
    readonly isTls: boolean;
    readonly trusted: BlockList;
  }) {
    this.peerAddress = plainAddress(options.peerAddress ?? "unknown");
    this.isTls = options.isTls;
    this.isTrusted = isListed(options.trusted, this.peerAddress);
    this.forwardedLines = forwardedLinesOf(this.peerAddress, this.isTls);
  }

  /** Usually one at a time; more if the client pipelines. */
  add(request: ConnectionRequest): void {
    this.#requests.push(request);
  }

  remove(request: ConnectionRequest): void {
    if (this.#requests.at(-1) === request) this.#requests.pop();
    else this.#requests.splice(this.#requests.indexOf(request), 1);
  }

  get isBusy(): boolean {
    return this.#requests.length > 0;
  }

  onClose(): void {
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
