/**
 * The functions of message templates: those of text/template that such files use, and a few of sprig's
 * (masterminds.github.io/sprig). Pure. None reads the environment, the clock or a file.
 */
import type { Literal } from './syntax.ts';
import { fieldOf, isList, isObject, isTrue, printed, type Value } from './value.ts';

/** Raises an error with the place of the call. */
export type Raise = (message: string) => Error;

export interface TemplateFunction {
  /** The fewest and the most arguments. */
  readonly least: number;
  readonly most: number;
  /** Looks at a literal first argument when the template is loaded. */
  checkFirst?(value: Literal, raise: Raise): void;
  /** Whether the arguments after this one need not be looked at, as with `and` and `or`. */
  isEnough?(value: Value): boolean;
  call(values: readonly Value[], raise: Raise): Value;
}

const MANY = 32;
/** No single value grows past this, whatever a template does. */
export const TEXT_CHARACTERS_MAX: number = 64 * 1_024;

const text = (value: Value): string => printed(value);
const onText = (fn: (text: string) => string): TemplateFunction => ({
  least: 1,
  most: 1,
  call: ([value]) => fn(text(value)),
});
const onTwo = (fn: (first: string, second: string) => Value): TemplateFunction => ({
  least: 2,
  most: 2,
  call: ([first, second]) => fn(text(first), text(second)),
});

function isEqual(a: Value, b: Value, raise: Raise): boolean {
  for (const value of [a, b])
    if (isList(value) || isObject(value)) throw raise('Lists and objects can not be compared');
  return (a ?? null) === (b ?? null);
}

const ordered = (fits: (order: number) => boolean): TemplateFunction => ({
  least: 2,
  most: 2,
  call: ([a, b], raise) => {
    if (typeof a === 'number' && typeof b === 'number') return fits(a - b);
    if (typeof a === 'string' && typeof b === 'string') return fits(a < b ? -1 : a > b ? 1 : 0);
    throw raise('Only two numbers or two texts have an order');
  },
});

function indexed(of: Value, by: Value, raise: Raise): Value {
  if (isObject(of)) return fieldOf(of, text(by));
  if (of === undefined || of === null) return undefined;
  if (!isList(of)) throw raise('index needs a list or an object');
  if (typeof by !== 'number' || !Number.isInteger(by)) throw raise('A list is indexed by a number');
  if (by < 0 || by >= of.length) throw raise(`The index ${by} is outside of the list`);
  return of[by];
}

/** The first value that `isIt`, else the last. */
const chosen = (isIt: (value: Value) => boolean): TemplateFunction => ({
  least: 1,
  most: MANY,
  isEnough: isIt,
  call: (values) => {
    const at = values.findIndex(isIt);
    return values.at(at);
  },
});

const VERB = /%(?:%|(-?)(0?)(\d{0,2})(?:\.(\d{1,2}))?([svdqtfx])|[\s\S]?)/gu;

function checkFormat(format: Literal, raise: Raise): void {
  for (const [verb, , , , , letter] of String(format).matchAll(VERB))
    if (verb !== '%%' && letter === undefined) throw raise(`printf does not know "${verb}"`);
}

function verbText(letter: string, value: Value, precision: string | undefined): string {
  if (letter === 'q') return JSON.stringify(text(value));
  if (letter === 'f' && typeof value === 'number') return value.toFixed(Number(precision ?? '6'));
  if (letter === 'd' && typeof value === 'number') return String(Math.trunc(value));
  if (letter === 'x')
    return typeof value === 'number'
      ? Math.trunc(value).toString(16)
      : Buffer.from(text(value)).toString('hex');
  return text(value);
}

function formatted(format: string, values: readonly Value[], raise: Raise): string {
  checkFormat(format, raise);
  let next = 0;
  return format.replace(
    VERB,
    (verb, left?: string, zero?: string, width?: string, precision?: string, letter?: string) => {
      if (verb === '%%' || letter === undefined) return '%';
      if (next >= values.length) throw raise(`printf has no value for "${verb}"`);
      const made = verbText(letter, values[next], precision);
      next += 1;
      const wide = Number(width ?? '0');
      if (left === '-') return made.padEnd(wide);
      return made.padStart(wide, zero === '0' ? '0' : ' ');
    },
  );
}

const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  [
    'eq',
    {
      least: 2,
      most: MANY,
      call: ([first, ...others], raise) => others.some((other) => isEqual(first, other, raise)),
    },
  ],
  ['ne', { least: 2, most: 2, call: ([a, b], raise) => !isEqual(a, b, raise) }],
  ['lt', ordered((order) => order < 0)],
  ['le', ordered((order) => order <= 0)],
  ['gt', ordered((order) => order > 0)],
  ['ge', ordered((order) => order >= 0)],
  ['not', { least: 1, most: 1, call: ([value]) => !isTrue(value) }],
  ['and', chosen((value) => !isTrue(value))],
  ['or', chosen(isTrue)],
  [
    'len',
    {
      least: 1,
      most: 1,
      call: ([value], raise) => {
        if (typeof value === 'string') return Buffer.byteLength(value);
        if (isList(value)) return value.length;
        if (isObject(value)) return Object.keys(value).length;
        if (value === undefined || value === null) return 0;
        throw raise('len needs a text, a list or an object');
      },
    },
  ],
  [
    'index',
    {
      least: 2,
      most: MANY,
      call: ([of, ...keys], raise) => keys.reduce<Value>((at, key) => indexed(at, key, raise), of),
    },
  ],
  ['print', { least: 1, most: MANY, call: (values) => values.map(text).join('') }],
  ['println', { least: 1, most: MANY, call: (values) => `${values.map(text).join(' ')}\n` }],
  [
    'printf',
    {
      least: 1,
      most: MANY,
      checkFirst: checkFormat,
      call: ([format, ...values], raise) => formatted(text(format), values, raise),
    },
  ],
  ['urlquery', onText((value) => encodeURIComponent(value.toWellFormed()))],
  ['upper', onText((value) => value.toUpperCase())],
  ['lower', onText((value) => value.toLowerCase())],
  ['title', onText((value) => value.replace(/(^|\s)(\S)/gu, (word) => word.toUpperCase()))],
  ['trim', onText((value) => value.trim())],
  ['quote', onText((value) => JSON.stringify(value))],
  ['default', { least: 2, most: 2, call: ([other, value]) => (isTrue(value) ? value : other) }],
  ['empty', { least: 1, most: 1, call: ([value]) => !isTrue(value) }],
  ['coalesce', { least: 1, most: MANY, call: (values) => values.find(isTrue) }],
  ['contains', onTwo((part, whole) => whole.includes(part))],
  ['hasPrefix', onTwo((part, whole) => whole.startsWith(part))],
  ['hasSuffix', onTwo((part, whole) => whole.endsWith(part))],
  [
    'trimPrefix',
    onTwo((part, whole) => (whole.startsWith(part) ? whole.slice(part.length) : whole)),
  ],
  [
    'trimSuffix',
    onTwo((part, whole) =>
      part !== '' && whole.endsWith(part) ? whole.slice(0, -part.length) : whole,
    ),
  ],
  [
    'replace',
    {
      least: 3,
      most: 3,
      call: ([old, by, whole], raise) => {
        const parts = text(whole).split(text(old));
        const length = text(whole).length + parts.length * text(by).length;
        if (length > TEXT_CHARACTERS_MAX) throw raise('replace makes too long a text');
        return parts.join(text(by));
      },
    },
  ],
]);

/** A function by its name; undefined when there is none. */
export const findFunction = (name: string): TemplateFunction | undefined => FUNCTIONS.get(name);

/** The names for a hint. */
export const functionNames = (): string => [...FUNCTIONS.keys()].join(', ');
