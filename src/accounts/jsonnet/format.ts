/** `text % values` and std.format: C's formats as Jsonnet has them. Pure; growth is charged to the budget. */

import type { Evaluator } from './evaluator.ts';
import { JsonnetFault } from './fault.ts';
import { isArray, type Lazy, ready, typeOf, type Value } from './value.ts';

const DIRECTIVE =
  /%(?:\((?<key>[^)]*)\))?(?<flags>[#0\- +]*)(?<width>\*|[0-9]*)(?:\.(?<precision>\*|[0-9]*))?[hlL]?(?<letter>[\s\S]?)/g;
const LETTERS = 'diouxXeEfFgGcs';
/** No text that people read is wider. */
const WIDTH_MAX = 1_000;
const PRECISION_MAX = 100;

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly letter: string;
}

/** Takes the values in order, and tells whether some were left. */
class Source {
  private readonly items: readonly Lazy[];
  private place = 0;
  private readonly at: number;

  constructor(values: Value, at: number) {
    this.items = isArray(values) ? values.items : [ready(values)];
    this.at = at;
  }

  next(): Value {
    const item = this.items[this.place++];
    if (item === undefined) throw new JsonnetFault('a format has too few values', this.at);
    return item.force();
  }

  end(): void {
    if (this.place < this.items.length)
      throw new JsonnetFault('a format has too many values', this.at);
  }
}

/** The text with its directives filled in. Throws JsonnetFault for directives that the language does not have. */
export function format(run: Evaluator, text: string, values: Value, at: number): string {
  const isByName = values !== null && typeof values === 'object' && values.kind === 'object';
  const source = new Source(values, at);
  const made = text.replace(DIRECTIVE, (...found) => {
    const groups: Readonly<Record<string, string | undefined>> = found.at(-1);
    const { key, flags = '', letter = '' } = groups;
    run.budget.step(at);
    const size = (written: string | undefined, most: number): number | undefined => {
      if (written === undefined) return undefined;
      const wanted = written === '*' ? source.next() : Number(written);
      if (typeof wanted !== 'number' || !Number.isInteger(wanted) || wanted < 0 || wanted > most)
        throw new JsonnetFault('a format is wider than is allowed, or its width no number', at);
      return wanted;
    };
    const width = size(groups['width'], WIDTH_MAX) ?? 0;
    const precision = size(groups['precision'], PRECISION_MAX);
    if (letter === '%') return padded('%', flags, width);
    if (letter === '' || !LETTERS.includes(letter))
      throw new JsonnetFault('a format is not supported', at);
    if (isByName && key === undefined)
      throw new JsonnetFault('a format with an object names its fields: %(name)s', at);
    const value = key === undefined ? source.next() : run.index(values, key, at);
    const shown = one(run, { flags, width, precision, letter }, value, at);
    run.budget.grow(shown.length, at);
    return shown;
  });
  if (!isByName) source.end();
  run.budget.grow(made.length, at);
  return made;
}

function padded(text: string, flags: string, width: number): string {
  return flags.includes('-') ? text.padEnd(width) : text.padStart(width);
}

function one(run: Evaluator, directive: Directive, value: Value, at: number): string {
  const { flags, width, letter } = directive;
  if (letter === 's') return padded(run.text(value, at), flags, width);
  if (letter === 'c') return padded(character(value, at), flags, width);
  if (typeof value !== 'number')
    throw new JsonnetFault(`a format wants a number, not ${typeOf(value)}`, at);
  const digits = numeral(directive, Math.abs(value));
  const isNegative = value < 0 && (!'diouxX'.includes(letter) || Math.trunc(value) !== 0);
  const sign = isNegative ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  if (flags.includes('0') && !flags.includes('-'))
    return sign + digits.padStart(width - sign.length, '0');
  return padded(sign + digits, flags, width);
}

function character(value: Value, at: number): string {
  if (typeof value === 'string' && Array.from(value).length === 1) return value;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x10ffff)
    return String.fromCodePoint(value);
  throw new JsonnetFault('%c wants one character or its number', at);
}

/** The digits of a number that is not negative. */
function numeral({ flags, precision, letter }: Directive, value: number): string {
  const isAlternative = flags.includes('#');
  switch (letter.toLowerCase()) {
    case 'o': {
      const digits = whole(value, 8, precision);
      return isAlternative && digits !== '0' ? `0${digits}` : digits;
    }
    case 'x': {
      const digits = `${isAlternative && value >= 1 ? '0x' : ''}${whole(value, 16, precision)}`;
      return letter === 'X' ? digits.toUpperCase() : digits;
    }
    case 'e':
    case 'f':
    case 'g': {
      const digits = real(letter.toLowerCase(), value, precision ?? 6, isAlternative);
      return letter === letter.toLowerCase() ? digits : digits.toUpperCase();
    }
    default:
      return whole(value, 10, precision);
  }
}

function whole(value: number, base: number, precision: number | undefined): string {
  return BigInt(Math.trunc(value))
    .toString(base)
    .padStart(precision ?? 0, '0');
}

function real(letter: string, value: number, precision: number, isAlternative: boolean): string {
  if (letter === 'f') return fixed(value, precision);
  if (letter === 'e') return exponential(value, precision);
  const counted = Math.max(1, precision);
  const power = value === 0 ? 0 : Number(value.toExponential(counted - 1).split('e')[1]);
  const isPlain = power >= -4 && power < counted;
  const text = isPlain ? fixed(value, counted - 1 - power) : exponential(value, counted - 1);
  if (isAlternative) return text;
  const [digits = '', exponent] = text.split('e');
  const bare = digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
  return exponent === undefined ? bare : `${bare}e${exponent}`;
}

function fixed(value: number, precision: number): string {
  // toFixed turns to exponents at 1e21, where all digits are before the point.
  if (value < 1e21) return value.toFixed(Math.min(PRECISION_MAX, precision));
  return `${BigInt(value)}${precision > 0 ? `.${'0'.repeat(precision)}` : ''}`;
}

function exponential(value: number, precision: number): string {
  return value
    .toExponential(precision)
    .replace(/e([+-])([0-9])$/, (_, sign: string, digit: string) => `e${sign}0${digit}`);
}
