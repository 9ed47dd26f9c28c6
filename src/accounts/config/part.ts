/**
 * A part of a configuration file by its path, read as what it has to be. Pure. A mistake is refused with the path's name,
 * and never with its value, which may be secret.
 */
import { PosternError, parseDurationMs } from '../../kernel/index.ts';

type Raw = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Raw =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Throws PosternError `invalid`. */
export function refuse(path: string, why: string): never {
  throw new PosternError('invalid', `kratos.yml: ${path} ${why}`);
}

/** A part of the file by its path; undefined where it is absent. */
export class Part {
  readonly #raw: unknown;
  readonly #path: string;
  readonly #variables: ReadonlyMap<string, string>;
  /** `variables`: which environment variable gave a key, by the key's path. */
  constructor(raw: unknown, path: string, variables: ReadonlyMap<string, string> = new Map()) {
    this.#raw = raw;
    this.#path = path;
    this.#variables = variables;
  }

  /** Where it stands, and the variable that it came from. */
  get path(): string {
    const variable = this.#variables.get(this.#path);
    return variable === undefined ? this.#path : `${this.#path} (${variable})`;
  }

  at(...names: readonly string[]): Part {
    let raw = this.#raw;
    for (const name of names)
      raw = isRecord(raw) && Object.hasOwn(raw, name) ? raw[name] : undefined;
    const path = [this.#path, ...names].filter((p) => p !== '').join('.');
    return new Part(raw, path, this.#variables);
  }
  get isThere(): boolean {
    return this.#raw !== undefined && this.#raw !== null;
  }
  get value(): unknown {
    return this.#raw;
  }
  keys(): readonly string[] {
    if (!this.isThere) return [];
    return isRecord(this.#raw) ? Object.keys(this.#raw) : refuse(this.path, 'is no map');
  }
  text(): string | undefined {
    if (!this.isThere || this.#raw === '') return undefined;
    if (typeof this.#raw !== 'string') refuse(this.path, 'is no text');
    return this.#raw;
  }
  flag(): boolean | undefined {
    if (!this.isThere) return undefined;
    if (typeof this.#raw !== 'boolean') refuse(this.path, 'is neither true nor false');
    return this.#raw;
  }
  number(): number | undefined {
    if (!this.isThere) return undefined;
    if (typeof this.#raw !== 'number') refuse(this.path, 'is no number');
    return this.#raw;
  }
  durationMs(): number | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    try {
      return parseDurationMs(text);
    } catch {
      return refuse(this.path, `is no duration such as 15m: "${text}"`);
    }
  }
  texts(): readonly string[] | undefined {
    if (!this.isThere) return undefined;
    const list: unknown[] = Array.isArray(this.#raw) ? this.#raw : refuse(this.path, 'is no list');
    return list.map((item) =>
      typeof item === 'string' ? item : refuse(this.path, 'is no list of texts'),
    );
  }
  items(): readonly Part[] {
    if (!this.isThere) return [];
    const list: unknown[] = Array.isArray(this.#raw) ? this.#raw : refuse(this.path, 'is no list');
    return list.map((item, i) => new Part(item, `${this.#path}[${i}]`, this.#variables));
  }
  oneOf<T extends string>(known: readonly T[]): T | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    const found = known.find((k) => k === text);
    return found ?? refuse(this.path, `is "${text}" and none of ${known.join(', ')}`);
  }
}
