/** What a program of ours needs of the environment of the test that starts it; nothing that could change what it does. */
export function programEnvironment(): Record<string, string> {
  const kept = ["PATH", "NODE_COMPILE_CACHE"];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
