/**
 * The output contract: standard output carries exactly one result. A command says how the result reads for people
 * (plain), for a script (machine: one bare value) and as JSON; the place it goes to decides which is written.
 */
import { PosternError } from '../kernel/index.ts';
import type { OutputFormat } from './arguments.ts';
import { usageError } from './exit.ts';
import { inDialect, session } from './session.ts';

export interface Result {
  readonly plain?: string;
  readonly machine?: string;
  readonly json?: unknown;
}

/** Chooses the rendering. Throws `invalid` when JSON is demanded and the command has none. */
export function chooseRendering(
  result: Result,
  format: OutputFormat,
  isTerminal: boolean,
): keyof Result | undefined {
  if (format === 'json') {
    if (result.json === undefined)
      throw new PosternError('invalid', 'This command has no JSON output');
    return 'json';
  }
  const order: (keyof Result)[] =
    isTerminal || format === 'plain' ? ['plain', 'machine', 'json'] : ['machine', 'json', 'plain'];
  return order.find((key) => result[key] !== undefined);
}

/** Renders the result as the flags and the terminal ask; undefined when there is nothing to write. */
export async function render(result: Result): Promise<string | undefined> {
  const { globals, isStdoutTerminal } = session();
  const key = chooseRendering(result, globals.output, isStdoutTerminal);
  if (key === undefined) return undefined;
  if (key === 'plain') return result.plain === undefined ? undefined : printable(result.plain);
  if (key === 'machine') return result.machine;
  if (globals.jq !== undefined) return query(result.json, globals.jq, globals.isCompact);
  return JSON.stringify(result.json, undefined, globals.isCompact ? undefined : 2);
}

/** Compiles the --jq query without running it, so that a mistake in it is found before anything is done. */
export async function checkQuery(): Promise<void> {
  const { jq } = session().globals;
  if (jq === undefined) return;
  const { raw } = await import('jq-wasm');
  try {
    await raw('null', `if false then (${jq}\n) else empty end`);
  } catch {
    throw usageError(`The --jq query "${jq}" can't be read`);
  }
}

async function query(value: unknown, filter: string, isCompact: boolean): Promise<string> {
  const { raw } = await import('jq-wasm');
  // jq's own end sets it anew, and what a command found out must not turn into a success.
  const { exitCode } = process;
  try {
    const text = await raw(JSON.stringify(value), filter, isCompact ? ['-c'] : []);
    return text.replace(/\n$/, '');
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : '';
    throw new PosternError('invalid', `The --jq query failed: ${why}`, { cause });
  } finally {
    process.exitCode = exitCode;
  }
}

const SGR = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 } as const;

/** Colours text when the stream is a terminal and colours are wanted. */
export function paint(
  colour: keyof typeof SGR,
  text: string,
  stream: 'out' | 'err' = 'out',
): string {
  const { globals, isStdoutTerminal, isStderrTerminal } = session();
  const isTerminal = stream === 'out' ? isStdoutTerminal : isStderrTerminal;
  return globals.hasColor && isTerminal ? `\u001b[${SGR[colour]}m${text}\u001b[0m` : text;
}

/** Text without the control characters that could steer a terminal; line breaks, tabs and our own colours stay. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape begins a colour sequence
  return text.replaceAll(/(?!\n|\t|\u001b\[\d+m)\p{Cc}/gu, ' ');
}

const visibleLength = (text: string): number =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape begins a colour sequence
  text.replace(/\u001b\[\d+m/g, '').length;

/** An aligned table without boxes; the heading is dim. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  empty: string,
): string {
  if (rows.length === 0) return inDialect(empty);
  const widths = heading.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => visibleLength(row[i] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - visibleLength(cell))))
      .join('  ')
      .trimEnd();
  return [paint('dim', line(heading)), ...rows.map(line)].join('\n');
}

/** Colours a status word by its meaning. */
export function status(word: string): string {
  if (/^(up|running|valid|ok|true)$/i.test(word)) return paint('green', word);
  if (/^(down|zombie|denied|expired|revoked)$/i.test(word)) return paint('red', word);
  return paint('yellow', word);
}

/** Shortens a long identifier in the middle. */
export function shorten(identifier: string): string {
  return identifier.length > 20 ? `${identifier.slice(0, 9)}…${identifier.slice(-6)}` : identifier;
}

/** A past or coming moment relative to now, such as `3 min ago` or `in 2 h`. */
export function relativeTime(ms: number, nowMs: number): string {
  const seconds = Math.round(Math.abs(nowMs - ms) / 1000);
  const size =
    seconds < 60
      ? `${seconds} s`
      : seconds < 3600
        ? `${Math.round(seconds / 60)} min`
        : seconds < 86_400
          ? `${Math.round(seconds / 3600)} h`
          : `${Math.round(seconds / 86_400)} d`;
  return ms <= nowMs ? `${size} ago` : `in ${size}`;
}
