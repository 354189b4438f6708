/**
 * Header fields as Node.js gives them in `rawHeaders`: name, value, name, value, ... Names keep the case they came in.
 * `name` in these functions is lower case. No object is built per request.
 */
export type HeaderList = string[];

/** Whether `name` (any case) is `lowerCaseName`. */
function isNamed(name: string | undefined, lowerCaseName: string): boolean {
  return (
    name !== undefined &&
    name.length === lowerCaseName.length &&
    (name === lowerCaseName ||
      // Most names of one length differ in their first letter: no copy in lower case of those.
      ((name.charCodeAt(0) | 0x20) === (lowerCaseName.charCodeAt(0) | 0x20) && name.toLowerCase() === lowerCaseName))
  );
}

/** The field's value; several fields of one name are one value joined by ", " (RFC 9110 section 5.3). */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  let value: string | undefined;
  for (let index = 0; index < headers.length; index += 2) {
    if (isNamed(headers[index], name)) {
      const next = headers[index + 1] ?? "";
      value = value === undefined ? next : `${value}${name === "cookie" ? "; " : ", "}${next}`;
    }
  }
  return value;
}

/** Remove every field of that name. Returns whether there was one. */
export function removeHeader(headers: HeaderList, name: string): boolean {
  let kept = 0;
  for (let index = 0; index < headers.length; index += 2) {
    if (!isNamed(headers[index], name)) {
      if (kept !== index) {
        headers[kept] = headers[index] ?? "";
        headers[kept + 1] = headers[index + 1] ?? "";
      }
      kept += 2;
    }
  }
  const hadOne = kept < headers.length;
  if (hadOne) headers.length = kept;
  return hadOne;
}

/** Make `value` the only field of that name. */
export function setHeader(headers: HeaderList, name: string, value: string): void {
  removeHeader(headers, name.toLowerCase());
  headers.push(name, value);
}
