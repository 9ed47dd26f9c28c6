/**
 * One shape for every command: usage, one sentence, options, examples, and a function that gives the result.
 * Parsing is commander's; this file types what it parsed and prints what the function gave.
 */
import { type Command, Option } from 'commander';
import { parseDurationMs } from '../kernel/index.ts';
import { asUsage, usageError } from './exit.ts';
import { formatHelp } from './help.ts';
import { checkQuery, type Result, render } from './output.ts';
import { session } from './session.ts';
import { wasSaid } from './talk.ts';

/** What was given on the command line, read by the long name of the flag in camel case. */
export class Flags {
  readonly #values: Readonly<Record<string, unknown>>;
  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }
  /** The flag's text; undefined when it was not given. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }
  /** Every value of a flag that may be repeated. */
  list(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }
  /** Was the flag given? */
  has(name: string): boolean {
    return this.#values[name] === true;
  }
  /** Was the `--no-…` form given? */
  isOff(name: string): boolean {
    return this.#values[name] === false;
  }
  /** A duration in milliseconds. Throws a usage error. */
  durationMs(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : asUsage(() => parseDurationMs(text));
  }
  /** A flag that must be there. Throws a usage error. */
  required(name: string): string {
    const text = this.text(name);
    if (text === undefined)
      throw usageError(`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} is missing`);
    return text;
  }
}

export interface Invocation {
  readonly args: readonly string[];
  readonly flags: Flags;
}

export interface CommandShape {
  /** Flag, one sentence, and `list` when it may be repeated, `hidden` when it is accepted without being shown. */
  readonly options?: readonly (readonly [string, string, ('list' | 'hidden' | 'required')?])[];
  readonly examples?: readonly string[];
  readonly aliases?: readonly string[];
  readonly isHidden?: boolean;
  readonly run: (invocation: Invocation) => Promise<Result | undefined> | Result | undefined;
}

const collect = (value: string, previous: unknown): string[] => [
  ...(Array.isArray(previous) ? previous.map(String) : []),
  value,
];

/** Adds a command below a parent. */
export function define(
  parent: Command,
  usage: string,
  summary: string,
  shape: CommandShape,
): Command {
  const command = parent.command(usage, shape.isHidden === true ? { hidden: true } : {});
  command.description(summary);
  for (const alias of shape.aliases ?? []) command.alias(alias);
  for (const [flag, description, kind] of shape.options ?? []) {
    const option = new Option(flag, description);
    if (kind === 'list') option.argParser(collect);
    if (kind === 'hidden') option.hideHelp();
    if (kind === 'required') option.makeOptionMandatory();
    command.addOption(option);
  }
  command.configureHelp({
    formatHelp: (shown, helper) => formatHelp(shown, helper, shape.examples ?? []),
  });
  command.action(async () => {
    if (session().globals.parseOnly) return;
    await checkQuery();
    const result = await shape.run({
      args: command.processedArgs.flat().filter((a) => typeof a === 'string'),
      flags: new Flags(command.opts<Record<string, unknown>>()),
    });
    if (result === undefined || session().isNested === true) return;
    const text = await render(result);
    if (text === undefined || text === '' || wasShown(result, text)) return;
    process.stdout.write(`${text}\n`);
  });
  return command;
}

/** On a terminal the confirmation names the value already: a bare second line would only repeat it. */
function wasShown(result: Result, text: string): boolean {
  const { isStdoutTerminal, isStderrTerminal } = session();
  return isStdoutTerminal && isStderrTerminal && result.machine === text && wasSaid(text);
}

/** Adds a family: a word with commands below it. */
export function family(
  program: Command,
  name: string,
  summary: string,
  examples: readonly string[] = [],
): Command {
  return program
    .command(name)
    .description(summary)
    .helpCommand(false)
    .configureHelp({ formatHelp: (shown, helper) => formatHelp(shown, helper, examples) });
}
