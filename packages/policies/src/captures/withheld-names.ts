/** Anywhere in a name. */
const parts = [
  "accesskey",
  "accountnumber",
  "apikey",
  "authenticat",
  "authoriz",
  "bankaccount",
  "cardholder",
  "cardno",
  "cardnumber",
  "cookie",
  "credential",
  "creditcard",
  "debitcard",
  "encryptionkey",
  "passcode",
  "passphrase",
  "passport",
  "passwd",
  "password",
  "privatekey",
  "routingnumber",
  "secret",
  "securitycode",
  "sessionid",
  "signingkey",
  "socialsecurity",
  "taxid",
  "token",
] as const;

/** As a word of a name, with digits behind it or not. */
const words: ReadonlySet<string> = new Set([
  "auth",
  "bearer",
  "bic",
  "card",
  "csc",
  "cvc",
  "cvv",
  "iban",
  "jwt",
  "mfa",
  "otp",
  "pan",
  "pass",
  "pin",
  "pwd",
  "session",
  "sid",
  "signature",
  "ssn",
  "totp",
]);

/** A name as rules compare it: case, separators and forms of letters (NFKC) do not count. */
export function plainName(name: string): string {
  return name
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[\s._-]+/g, "");
}

/**
 * Whether a value of this name stays masked whatever is asked for: credentials, means of payment, identifiers of people. Rather
 * too many than too few.
 */
export function isNeverRevealed(name: string): boolean {
  const plain = plainName(name);
  if (parts.some((part) => plain.includes(part))) return true;
  const separate = name.normalize("NFKC").replaceAll(/(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, " ");
  return separate.split(/[^\p{L}\d]+/u).some((word) => words.has(word.toLowerCase().replace(/\d+$/, "")));
}
