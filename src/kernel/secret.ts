/** A value that must never reach a log, an error text or a JSON answer by accident. */
import { inspect } from 'node:util';

const PLACEHOLDER = '[secret]';

export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
    Object.defineProperty(this, inspect.custom, { value: () => PLACEHOLDER });
  }
  /** The value itself; call only where it is used, never to print it. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return PLACEHOLDER;
  }
  toJSON(): string {
    return PLACEHOLDER;
  }
}
