/** gRPC's length-prefixed messages (gRPC over HTTP/2, "Length-Prefixed-Message"), without compression. */
const headerBytes = 5;

export function encodeGrpcFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, headerBytes);
  return frame;
}

/** Calls `onMessage` for each whole message in a stream of chunks. */
export function createGrpcReader(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= headerBytes) {
      const end = headerBytes + rest.readUInt32BE(1);
      if (rest.length < end) return;
      onMessage(rest.subarray(headerBytes, end));
      rest = rest.subarray(end);
    }
  };
}
