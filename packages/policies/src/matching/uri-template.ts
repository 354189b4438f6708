import { PolicyConfigurationError } from "../policy-configuration-error.ts";
import { matchingForm } from "./matching-form.ts";

/** A literal of a template, or a variable: one or more characters but "/". */
export type TemplatePart = { readonly literal: string } | { readonly variable: string };

const longestTemplate = 1_024;
const variablePattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;
/** pchar and "/" of RFC 3986, the characters that a normalised path consists of. */
const literalPattern = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;

/**
 * Read a URI template of level 1 (RFC 6570) that stands for paths: "/orders/{id}". A variable stands for one or more
 * characters but "/", so "/orders/{id}" matches neither "/orders/" nor "/orders/1/lines".
 * @throws PolicyConfigurationError naming `field`
 */
export function parseUriTemplate(template: string, field: string): readonly TemplatePart[] {
  const refuse = (message: string): never => {
    throw new PolicyConfigurationError(field, message);
  };
  if (!template.startsWith("/")) refuse('must begin with "/"');
  if (template.length > longestTemplate) refuse(`must have at most ${longestTemplate} characters`);
  if (/\/(?:\.{0,2})\//.test(template) || /\/\.{1,2}$/.test(template)) {
    refuse("has an empty segment or one of dots, which a normalised path never has");
  }
  const parts: TemplatePart[] = [];
  let at = 0;
  while (at < template.length) {
    const open = template.indexOf("{", at);
    const literal = template.slice(at, open === -1 ? undefined : open);
    if (!literalPattern.test(literal)) {
      refuse(`"${literal}" has a character that no path has; escape it with % and put variables in braces`);
    }
    if (literal !== "") parts.push({ literal: matchingForm(literal) });
    if (open === -1) break;
    const close = template.indexOf("}", open);
    if (close === -1) refuse('has "{" without "}"');
    const variable = template.slice(open + 1, close);
    if (!variablePattern.test(variable)) {
      refuse(`"{${variable}}" is no variable of a level 1 template: a name of letters, digits, "_", "." and "-"`);
    }
    if (literal === "" && parts.length > 0)
      refuse(`"{${variable}}" follows another variable; put something between them`);
    parts.push({ variable });
    at = close + 1;
  }
  return parts;
}

/** The same as a regular expression of RE2. */
export function templateExpression(parts: readonly TemplatePart[], quote: (literal: string) => string): string {
  return parts.map((part) => ("literal" in part ? quote(part.literal) : "[^/]+")).join("");
}
