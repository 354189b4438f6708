const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * Ids of requests in the form of UUIDs (version 4). Their last 16 bits count, the others are drawn anew for every 65,536 of
 * them: an id is unique, and no secret.
 */
export function createRequestIds(draw: () => string): { readonly next: () => string } {
  let beginning = "";
  let count = 0;
  return {
    next() {
      if (count === 0) beginning = draw().slice(0, -4);
      const id = `${beginning}${digits[count >> 8] ?? ""}${digits[count & 0xff] ?? ""}`;
      count = (count + 1) & 0xff_ff;
      return id;
    },
  };
}
