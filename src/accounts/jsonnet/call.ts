/** What a function of `std` sees of its call. Pure; whatever it looks at or makes is charged to the budget. */

import type { Evaluator } from './evaluator.ts';
import { JsonnetFault } from './fault.ts';
import { isArray, type Lazy, type ObjectValue, ready, typeOf, type Value } from './value.ts';

/** The arguments of one call, read as what the function needs. */
export class Call {
  readonly run: Evaluator;
  readonly at: number;
  private readonly name: string;
  private readonly list: readonly Lazy[];

  constructor(run: Evaluator, name: string, list: readonly Lazy[], at: number) {
    this.run = run;
    this.name = name;
    this.list = list;
    this.at = at;
  }

  any(place: number): Value {
    return this.list[place]?.force() ?? null;
  }

  has(place: number): boolean {
    return place < this.list.length;
  }

  wrong(place: number, wanted: string): JsonnetFault {
    const found = typeOf(this.any(place));
    return new JsonnetFault(
      `\`std.${this.name}\` wants ${wanted} as argument ${place + 1}, not ${found}`,
      this.at,
    );
  }

  text(place: number): string {
    const value = this.any(place);
    if (typeof value !== 'string') throw this.wrong(place, 'a string');
    this.run.budget.grow(value.length, this.at);
    return value;
  }

  number(place: number): number {
    const value = this.any(place);
    if (typeof value !== 'number') throw this.wrong(place, 'a number');
    return value;
  }

  array(place: number): readonly Lazy[] {
    const value = this.any(place);
    if (!isArray(value)) throw this.wrong(place, 'an array');
    this.run.budget.grow(value.items.length, this.at);
    return value.items;
  }

  /** An array, or the letters of a text. */
  sequence(place: number): readonly Lazy[] {
    if (typeof this.any(place) === 'string') return Array.from(this.text(place)).map(ready);
    return this.array(place);
  }

  object(place: number): ObjectValue {
    const value = this.any(place);
    if (value === null || typeof value !== 'object' || value.kind !== 'object')
      throw this.wrong(place, 'an object');
    // Whoever asks for an object looks at its names: a large one must not be free to look at again and again.
    for (const layer of value.layers) this.run.budget.grow(layer.fields.size, this.at);
    return value;
  }

  /** Calls the function that is argument `place`. */
  apply(place: number, ...values: readonly Lazy[]): Value {
    const given = values.map((value) => ({ name: undefined, value }));
    return this.run.call(this.any(place), given, this.at);
  }

  /** New text, charged. */
  made(text: string): string {
    this.run.budget.grow(text.length, this.at);
    return text;
  }
}

/** An array of values that are there already. */
export function list(values: readonly Value[]): Value {
  return { kind: 'array', items: values.map(ready) };
}

/** What a function of `std` does, and the fewest and the most arguments that it takes. */
export type Entry = readonly [fewest: number, most: number, work: (call: Call) => Value];
