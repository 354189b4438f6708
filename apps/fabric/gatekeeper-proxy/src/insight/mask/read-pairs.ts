/** An element of a query or a form, decoded. */
export interface Pair {
  readonly name: string;
  /** `undefined`: it has no name of its own, all of it is a value (`/confirm?x7Kd`). */
  readonly value: string | undefined;
}

/** Base64 with its padding, which would pass for a long name with an empty value. */
const paddedPattern = /^[\w+/-]{14,}={1,2}$/;

/** Elements of an `application/x-www-form-urlencoded` text, at most so many. */
export function readPairs(text: string, most: number): readonly Pair[] {
  const elements = text.replace(/^\?/, "").split("&");
  return elements
    .filter((element) => element !== "")
    .slice(0, most)
    .flatMap((element) => {
      // "&" before it: a "?" at the start would be dropped.
      const decoded = [...new URLSearchParams(`&${element}`)];
      return decoded.map(([name, value]) => (isNameless(element) ? { name, value: undefined } : { name, value }));
    });
}

function isNameless(element: string): boolean {
  return !element.includes("=") || (element.length % 4 === 0 && paddedPattern.test(element));
}
