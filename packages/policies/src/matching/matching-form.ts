/** What may also stand as itself in a path that the gateway takes; the others have one form only. */
const rawCharacter = /[!-~](?<![#%/?\\])/;

/**
 * The form of a path in which conditions are compared. "/Orders(1)" and "/Orders%281%29" are the same to most servers, though
 * not to RFC 3986, so that a policy must not tell them apart: what may stand as itself is decoded, other escapes are in
 * upper case. The path that is sent upstream stays as it is.
 */
export function matchingForm(path: string): string {
  if (!path.includes("%")) return path;
  return path.replaceAll(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const character = String.fromCodePoint(Number.parseInt(escape.slice(1), 16));
    return rawCharacter.test(character) ? character : escape.toUpperCase();
  });
}
