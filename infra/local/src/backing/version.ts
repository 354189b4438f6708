/** The first `major.minor[.patch]` in a text, such as what a program prints for `--version`. */
export function parseVersion(text: string): string | undefined {
  return /\d+\.\d+(\.\d+)?/.exec(text)?.[0];
}

/** Compares by major and minor, as far as our requirements go. */
export function isAtLeast(version: string, minimum: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [minimumMajor = 0, minimumMinor = 0] = minimum.split(".").map(Number);
  return major > minimumMajor || (major === minimumMajor && minor >= minimumMinor);
}
