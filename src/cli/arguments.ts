/**
 * Reads what holds for every command before the command itself is known: the global flags, which may stand at any
 * position, and the `-/` marker in route flags, which stands for one line of standard input. Pure: gives back the rest.
 */
import { PosternError } from '../kernel/index.ts';

export type OutputFormat = 'auto' | 'plain' | 'json';

export interface GlobalFlags {
  readonly isQuiet: boolean;
  readonly verbosity: number;
  readonly hasColor: boolean;
  readonly mayAsk: boolean;
  readonly output: OutputFormat;
  readonly jq: string | undefined;
  readonly isCompact: boolean;
  readonly parseOnly: boolean;
  readonly wantsVersion: boolean;
}

export interface SplitArguments {
  readonly globals: GlobalFlags;
  readonly rest: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const isSet = (value: string | undefined): boolean =>
  value !== undefined && value !== '' && value !== '0' && value.toLowerCase() !== 'false';

/** Splits the arguments into global flags and the rest. Throws `invalid` when a global flag lacks its value. */
export function splitArguments(argv: readonly string[], env: Environment): SplitArguments {
  const rest: string[] = [];
  let isQuiet = isSet(env['QUIET']);
  let verbosity = 0;
  let hasColor = (env['NO_COLOR'] ?? '') === '';
  let mayAsk = !isSet(env['NO_INPUT']);
  let output: OutputFormat = 'auto';
  let jq: string | undefined;
  let isCompact = false;
  let parseOnly = false;
  let wantsVersion = false;
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? '';
    if (argument === '--') {
      rest.push(...argv.slice(i));
      break;
    }
    const [name, inline] = /^--[a-z-]+=/.test(argument)
      ? [argument.slice(0, argument.indexOf('=')), argument.slice(argument.indexOf('=') + 1)]
      : [argument, undefined];
    const value = (): string => {
      const given = inline ?? argv[++i];
      if (given === undefined) throw new PosternError('invalid', `${name} needs a value`);
      return given;
    };
    if (name === '-q' || name === '--quiet') isQuiet = true;
    else if (/^-v+$/.test(name)) verbosity = name.length - 1;
    else if (name === '--verbose') verbosity = Math.max(verbosity, 1);
    else if (name === '--no-color') hasColor = false;
    else if (name === '--no-input') mayAsk = false;
    else if (name === '--output') output = parseFormat(value());
    else if (name === '--jq') jq = value();
    else if (name === '--compact-output') isCompact = true;
    else if (name === '--test-argument-parser') parseOnly = true;
    else if (name === '--version' || name === '-V') wantsVersion = true;
    else if (name !== '--pretty') rest.push(argument);
  }
  if (jq !== undefined || isCompact) output = 'json';
  return {
    globals: {
      isQuiet,
      verbosity,
      hasColor,
      mayAsk: mayAsk && !isQuiet,
      output,
      jq,
      isCompact,
      parseOnly,
      wantsVersion,
    },
    rest,
  };
}

function parseFormat(text: string): OutputFormat {
  if (text === 'plain' || text === 'json') return text;
  throw new PosternError('invalid', `--output "${text}" is not known; write plain or json`);
}

const ROUTE_FLAGS = new Set(['--to', '-t', '--at', '--from', '-f', '--via', '--relay-address']);

/** Does a route hold the marker for a line of standard input? */
export function hasMarker(route: string): boolean {
  return /^-\/|\/-$|\/-\//.test(route);
}

/** Replaces the marker by a line, so that neither slash is doubled. */
export function fillMarker(route: string, line: string): string {
  const text = line.trim();
  return route
    .replace(/(^|\/)-(?=\/|$)/, text.startsWith('/') ? text : `$1${text}`)
    .replace(/\/{2,}/g, '/');
}

/** Fills the marker of every route flag; `readLine` gives the next line of standard input. */
export function fillMarkers(argv: readonly string[], readLine: () => string): string[] {
  return argv.map((argument, i) => {
    if (ROUTE_FLAGS.has(argv[i - 1] ?? '') && hasMarker(argument))
      return fillMarker(argument, readLine());
    const inline = /^(--[a-z-]+=)(.*)$/s.exec(argument);
    const [flag, route] = [inline?.[1], inline?.[2]];
    if (flag === undefined || route === undefined) return argument;
    if (!ROUTE_FLAGS.has(flag.slice(0, -1)) || !hasMarker(route)) return argument;
    return flag + fillMarker(route, readLine());
  });
}
