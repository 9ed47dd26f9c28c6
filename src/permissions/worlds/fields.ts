/**
 * YAML whose every complaint names the place: `tests[0].check[1].tuple: …`. Maps stay `Map`s, so that a key such as
 * `__proto__` is a key like any other. A key that nobody asked for is an error: a misspelt assertion must not pass unseen.
 */
import { parseDocument } from 'yaml';
import { PosternError } from '../../kernel/index.ts';

/** Enough for generated worlds, too little to fill the memory by aliases of aliases. */
const ALIASES_MAX = 100;

/** Reads YAML (JSON is a part of it). Throws `invalid`. */
export function parseYaml(text: string): Field {
  const document = parseDocument(text, { merge: true, prettyErrors: true });
  const problem = document.errors[0];
  if (problem !== undefined) {
    const [first = ''] = problem.message.split('\n');
    throw new PosternError('invalid', first.replace(/:$/, ''));
  }
  try {
    return new Field(document.toJS({ mapAsMap: true, maxAliasCount: ALIASES_MAX }), '');
  } catch (cause) {
    throw new PosternError('invalid', 'The YAML can not be read: too many aliases', { cause });
  }
}

/** A value and where it stands. */
export class Field {
  readonly value: unknown;
  readonly path: string;
  constructor(value: unknown, path: string) {
    this.value = value;
    this.path = path;
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }
  get isText(): boolean {
    return typeof this.value === 'string';
  }
  get isMap(): boolean {
    return this.value instanceof Map;
  }

  /** The failure to throw about this place. */
  wrong(message: string): PosternError {
    return new PosternError('invalid', this.path === '' ? message : `${this.path}: ${message}`);
  }

  /** Does something with it; an `invalid` of that is given this place. */
  reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof PosternError && error.code === 'invalid')
        throw this.wrong(error.message);
      throw error;
    }
  }

  text(): string {
    if (typeof this.value === 'string') return this.value;
    if (typeof this.value === 'number' || typeof this.value === 'boolean')
      throw this.wrong(`this is a ${typeof this.value}; write it in quotes`);
    throw this.wrong(this.isAbsent ? 'missing' : 'must be text');
  }

  optionalText(): string | undefined {
    return this.isAbsent ? undefined : this.text();
  }

  flag(): boolean {
    if (typeof this.value === 'boolean') return this.value;
    throw this.wrong(this.isAbsent ? 'missing' : 'must be true or false');
  }

  /** The items; none when it is absent. */
  items(): Field[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.value)) throw this.wrong('must be a list');
    return this.value.map((item: unknown, i) => new Field(item, `${this.path}[${i}]`));
  }

  /** Every item as text. */
  texts(): string[] {
    return this.items().map((item) => item.text());
  }

  /** The entries of a map with free keys. */
  entries(): (readonly [string, Field])[] {
    if (this.isAbsent) return [];
    if (!(this.value instanceof Map)) throw this.wrong('must be a map');
    return [...this.value].map(([key, value]: [unknown, unknown]) => {
      const name = String(key);
      return [name, new Field(value, this.path === '' ? name : `${this.path}.${name}`)];
    });
  }

  /** Answers the field of a key; afterwards only the keys that are known may be there. */
  map(known: readonly string[]): (key: string) => Field {
    const found = new Map(this.entries());
    for (const [key, field] of found)
      if (!known.includes(key))
        throw field.wrong(`this key is not known; there are ${known.join(', ')}`);
    const prefix = this.path === '' ? '' : `${this.path}.`;
    return (key) => found.get(key) ?? new Field(undefined, prefix + key);
  }

  /** An instant of ISO 8601 with its zone, in milliseconds; undefined when absent. */
  optionalInstantMs(): number | undefined {
    const text = this.optionalText();
    return text === undefined ? undefined : instantMs(text, this);
  }
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

function instantMs(text: string, at: Field): number {
  const ms = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw at.wrong(`"${text}" is not an instant such as 2030-01-31T12:00:00Z, with its zone`);
  return ms;
}
