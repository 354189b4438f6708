import { Argument, type Command, Command as CommanderCommand } from "commander";
import type { CommandWorld } from "../command-context.ts";

/** Shell completion of commands and options, made from the commands themselves. */
export function completionCommand(world: CommandWorld): Command {
  return new CommanderCommand("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      "\nExample:\n  drawbridge completion bash > ~/.local/share/bash-completion/completions/drawbridge",
    )
    .action((shell: string, _options: unknown, command: Command) => {
      const root = rootOf(command);
      world.stdout.write(shell === "fish" ? fishScript(root) : bashScript(root, shell === "zsh"));
    });
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command;
}

interface Entry {
  /** Words after "drawbridge", joined by a space; "" for the root. */
  readonly path: string;
  readonly words: readonly string[];
}

function entriesOf(command: Command, path = ""): readonly Entry[] {
  const options = command.options
    .filter((option) => !option.hidden)
    .flatMap((option) => (option.long ? [option.long] : []));
  const children = command.commands.map((child) => child.name());
  return [
    { path, words: [...children, ...options, "--help"] },
    ...command.commands.flatMap((child) => entriesOf(child, path === "" ? child.name() : `${path} ${child.name()}`)),
  ];
}

function bashScript(root: Command, isZsh: boolean): string {
  const cases = entriesOf(root)
    .map(({ path, words }) => `    ${JSON.stringify(path)}) words=${JSON.stringify(words.join(" "))} ;;`)
    .join("\n");
  const names = JSON.stringify(
    ` ${entriesOf(root)
      .map(({ path }) => path)
      .filter((path) => path !== "")
      .join(" | ")} `,
  );
  return `${isZsh ? "#compdef drawbridge\nautoload -U +X bashcompinit && bashcompinit\n" : ""}_drawbridge() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word words=""
  local known=${names}
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    case "$known" in
      *" \${path:+$path }$word "*) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _drawbridge drawbridge
`;
}

function fishScript(root: Command): string {
  const lines = entriesOf(root).flatMap(({ path, words }) => {
    const parts = path === "" ? [] : path.split(" ");
    const condition =
      parts.length === 0
        ? "__fish_use_subcommand"
        : parts.map((part) => `__fish_seen_subcommand_from ${part}`).join("; and ");
    return words.map((word) =>
      word.startsWith("--")
        ? `complete -c drawbridge -n '${condition}' -l ${word.slice(2)}`
        : `complete -c drawbridge -n '${condition}' -f -a ${word}`,
    );
  });
  return `${lines.join("\n")}\n`;
}
