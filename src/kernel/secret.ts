/** A value that must never reach a log, an error text or a JSON answer by accident. */

const nodeInspect: unique symbol = Symbol.for('nodejs.util.inspect.custom');
const PLACEHOLDER = '[secret]';

export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
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
  /** What node:util inspect (and so console.log) prints. */
  [nodeInspect](): string {
    return PLACEHOLDER;
  }
}
