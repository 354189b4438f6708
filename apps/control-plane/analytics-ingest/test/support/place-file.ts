/** Writes MMDB files (https://maxmind.github.io/MaxMind-DB/): 28-bit records, IPv6 tree, one record for each network. */
export interface Network {
  /** 16 bytes; IPv4 as in the file: ::a.b.c.d. */
  readonly address: Uint8Array;
  readonly prefix: number;
  readonly record: MmdbValue;
}

export type MmdbValue = string | number | { readonly [key: string]: MmdbValue };

export function ipv4Network(address: string, prefix: number, record: MmdbValue): Network {
  return {
    address: Uint8Array.from([...Array<number>(12).fill(0), ...address.split(".").map(Number)]),
    prefix: 96 + prefix,
    record,
  };
}

/** As GeoIP2 City has it. */
export function cityRecord(of: {
  readonly continent: string;
  readonly country: string;
  readonly city: string;
  readonly postalCode: string;
  readonly timezone: string;
}): MmdbValue {
  return {
    continent: { code: of.continent },
    country: { iso_code: of.country },
    city: { names: { en: of.city } },
    postal: { code: of.postalCode },
    location: { time_zone: of.timezone },
  };
}

type Node = [Child, Child];
type Child = { readonly node: Node } | { readonly data: number } | undefined;

export function mmdbFile(networks: readonly Network[]): Buffer {
  const root: Node = [undefined, undefined];
  const pieces: Buffer[] = [];
  let dataBytes = 0;
  for (const { address, prefix, record } of networks) {
    const bytes = encode(record);
    insert(root, { address, prefix, data: dataBytes });
    pieces.push(bytes);
    dataBytes += bytes.length;
  }
  const nodes = numbered(root);
  const tree = Buffer.alloc(nodes.size * 7);
  for (const [node, number] of nodes) {
    const [left, right] = node.map((child) => {
      if (child === undefined) return nodes.size;
      return "node" in child ? (nodes.get(child.node) ?? 0) : nodes.size + 16 + child.data;
    });
    const [a = 0, b = 0] = [left, right];
    tree.writeUIntBE(a & 0xff_ff_ff, number * 7, 3);
    tree.writeUInt8(((a >>> 24) << 4) | (b >>> 24), number * 7 + 3);
    tree.writeUIntBE(b & 0xff_ff_ff, number * 7 + 4, 3);
  }
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: "Test-City",
    ip_version: 6,
    node_count: nodes.size,
    record_size: 28,
  });
  const marker = Buffer.from("\u{AB}\u{CD}\u{EF}MaxMind.com", "latin1");
  return Buffer.concat([tree, Buffer.alloc(16), ...pieces, marker, metadata]);
}

function insert(root: Node, at: { address: Uint8Array; prefix: number; data: number }): void {
  let node = root;
  for (let depth = 0; depth < at.prefix; depth += 1) {
    const side = ((at.address[depth >> 3] ?? 0) >> (7 - (depth & 7))) & 1;
    if (depth === at.prefix - 1) {
      node[side] = { data: at.data };
      return;
    }
    const child = node[side];
    if (child !== undefined && "node" in child) node = child.node;
    else {
      const next: Node = [child, child];
      node[side] = { node: next };
      node = next;
    }
  }
}

function numbered(root: Node): Map<Node, number> {
  const numbers = new Map<Node, number>([[root, 0]]);
  for (const node of numbers.keys()) {
    for (const child of node) {
      if (child !== undefined && "node" in child && !numbers.has(child.node)) numbers.set(child.node, numbers.size);
    }
  }
  return numbers;
}

function encode(value: MmdbValue): Buffer {
  if (typeof value === "string") {
    const text = Buffer.from(value, "utf8");
    return Buffer.concat([control(2, text.length), text]);
  }
  if (typeof value === "number") {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return Buffer.concat([control(6, 4), bytes]);
  }
  const entries = Object.entries(value);
  return Buffer.concat([
    control(7, entries.length),
    ...entries.flatMap(([key, entry]) => [encode(key), encode(entry)]),
  ]);
}

function control(type: number, size: number): Buffer {
  return size < 29 ? Buffer.from([(type << 5) | size]) : Buffer.from([(type << 5) | 29, size - 29]);
}
