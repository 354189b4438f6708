/** 16 bytes of our own meaning as a UUIDv8 (RFC 9562 5.8): version and variant take the place of six of their bits. */
export function uuidV8(content: Buffer): string {
  const bytes = Buffer.from(content);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
