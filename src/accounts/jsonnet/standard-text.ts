/** The functions of `std` for text and numbers. Pure, charged to the evaluation's budget. */

import { createHash } from 'node:crypto';
import type { Call, Entry } from './call.ts';
import { list } from './call.ts';
import { JsonnetFault } from './fault.ts';
import { format } from './format.ts';
import { manifest } from './manifest.ts';
import type { Value } from './value.ts';

function finite(value: number, call: Call): number {
  if (!Number.isFinite(value))
    throw new JsonnetFault('a number is too large, or divided by zero', call.at);
  return value;
}

const number = (work: (value: number) => number): Entry => [
  1,
  1,
  (call) => finite(work(call.number(0)), call),
];
const numbers = (work: (left: number, right: number) => number): Entry => [
  2,
  2,
  (call) => finite(work(call.number(0), call.number(1)), call),
];

/** The text without the characters of argument 1 at its ends. */
function strip(call: Call, isLeft: boolean, isRight: boolean): string {
  const letters = Array.from(call.text(0));
  const taken = new Set(call.text(1));
  let [start, end] = [0, letters.length];
  while (isLeft && start < end && taken.has(letters[start] ?? '')) start += 1;
  while (isRight && end > start && taken.has(letters[end - 1] ?? '')) end -= 1;
  return letters.slice(start, end).join('');
}

function splitLimit(call: Call): Value {
  const [text, separator, most] = [call.text(0), call.text(1), call.number(2)];
  if (separator === '') throw call.wrong(1, 'a string that is not empty');
  const parts = text.split(separator);
  if (most < 0 || parts.length <= most + 1) return list(parts);
  const kept = Math.trunc(most);
  return list([...parts.slice(0, kept), parts.slice(kept).join(separator)]);
}

function findSubstr(call: Call): Value {
  const [wanted, text] = [Array.from(call.text(0)), Array.from(call.text(1))];
  if (wanted.length === 0) return list([]);
  const places: number[] = [];
  for (let place = 0; place + wanted.length <= text.length; place += 1) {
    call.run.budget.step(call.at);
    if (wanted.every((letter, offset) => text[place + offset] === letter)) places.push(place);
  }
  return list(places);
}

function character(call: Call): string {
  const code = call.number(0);
  if (!Number.isInteger(code) || code < 0 || code > 0x10ffff) throw call.wrong(0, 'a code point');
  return String.fromCodePoint(code);
}

function codepoint(call: Call): number {
  const letters = Array.from(call.text(0));
  if (letters.length !== 1) throw call.wrong(0, 'one character');
  return letters[0]?.codePointAt(0) ?? 0;
}

function decoded(call: Call): Buffer {
  const text = call.text(0);
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw call.wrong(0, 'base64 text');
  return Buffer.from(text, 'base64');
}

function laid(indent: string, newline: string, colon: string): (call: Call) => string {
  return (call) => {
    const chosen = call.has(1) ? call.text(1) : indent;
    const between = call.has(2) ? call.text(2) : newline;
    const after = call.has(3) ? call.text(3) : colon;
    const data = call.run.json(call.any(0), call.at);
    // Each nesting writes the indentation once more.
    call.run.budget.grow(chosen.length * JSON.stringify(data).length, call.at);
    return call.made(manifest(data, { indent: chosen, newline: between, colon: after }));
  };
}

/** By name. */
export const TEXT_FUNCTIONS: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ['abs', number(Math.abs)],
  ['floor', number(Math.floor)],
  ['ceil', number(Math.ceil)],
  ['round', number((value) => Math.sign(value) * Math.round(Math.abs(value)))],
  ['sign', number(Math.sign)],
  ['sqrt', number(Math.sqrt)],
  ['max', numbers(Math.max)],
  ['min', numbers(Math.min)],
  ['pow', numbers(Math.pow)],
  ['modulo', numbers((left, right) => left % right)],
  ['isInteger', [1, 1, (call) => Number.isInteger(call.number(0))]],
  ['char', [1, 1, character]],
  ['codepoint', [1, 1, codepoint]],
  ['format', [2, 2, (call) => format(call.run, call.text(0), call.any(1), call.at)]],
  ['findSubstr', [2, 2, findSubstr]],
  ['splitLimit', [3, 3, splitLimit]],
  ['stripChars', [2, 2, (call) => strip(call, true, true)]],
  ['lstripChars', [2, 2, (call) => strip(call, true, false)]],
  ['rstripChars', [2, 2, (call) => strip(call, false, true)]],
  ['equalsIgnoreCase', [2, 2, (call) => lower(call.text(0)) === lower(call.text(1))]],
  ['base64', [1, 1, (call) => call.made(Buffer.from(call.text(0)).toString('base64'))]],
  ['base64Decode', [1, 1, (call) => decoded(call).toString('utf8')]],
  ['md5', [1, 1, (call) => createHash('md5').update(call.text(0)).digest('hex')]],
  ['sha1', [1, 1, (call) => createHash('sha1').update(call.text(0)).digest('hex')]],
  ['sha256', [1, 1, (call) => createHash('sha256').update(call.text(0)).digest('hex')]],
  ['sha512', [1, 1, (call) => createHash('sha512').update(call.text(0)).digest('hex')]],
  ['escapeStringJson', [1, 1, (call) => JSON.stringify(call.run.text(call.any(0), call.at))]],
  ['manifestJson', [1, 1, laid('    ', '\n', ': ')]],
  ['manifestJsonMinified', [1, 1, laid('', '', ':')]],
  ['manifestJsonEx', [2, 4, laid('    ', '\n', ': ')]],
]);

function lower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
