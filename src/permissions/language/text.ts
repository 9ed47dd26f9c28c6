/**
 * Places and quotations in a source of the permission language. It must never take more than linear time over a source,
 * whatever the number of its problems.
 */
import type { Position, Problem } from './problem.ts';

/** A piece of the source: UTF-16 offsets, the end excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** More of a name or of a source is not repeated in a message. */
const QUOTED_MAX = 200;
/** What Go, whose notation the messages have, writes as an escape: everything without a shape of its own. */
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]|["\\]/gu;
const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\u0007', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
]);

function escapeChar(char: string): string {
  const short = SHORT_ESCAPES.get(char);
  if (short !== undefined) return short;
  const hex = (char.codePointAt(0) ?? 0).toString(16);
  if (hex.length <= 2 && char <= '\u007f') return `\\x${hex.padStart(2, '0')}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** Quotes a text in the way of Keto's messages (Go's %q); a long one is cut. */
export function quote(text: string): string {
  const shown = text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text;
  return `"${shown.replace(UNPRINTABLE, escapeChar)}"`;
}

/** The most problems that are collected of one source. */
export const PROBLEMS_MAX = 1000;

/** Collects the problems of one source, each once, in the order of their finding. */
export class Problems {
  readonly #source: string;
  readonly #found: Problem[] = [];
  readonly #seen = new Set<string>();
  #lineStarts: number[] | undefined;
  #errors = 0;
  #warnings = 0;

  constructor(source: string) {
    this.#source = source;
  }

  get all(): readonly Problem[] {
    return this.#found;
  }

  get hasErrors(): boolean {
    return this.#errors > 0;
  }

  /** True when no more errors are taken: whoever searches may stop. */
  get isFull(): boolean {
    return this.#found.length >= PROBLEMS_MAX;
  }

  error(at: Span, message: string): void {
    this.#errors++;
    this.#add('error', at, message);
  }

  warn(at: Span, message: string): void {
    // Half of the room is left to errors.
    if (this.#warnings < PROBLEMS_MAX / 2) this.#add('warning', at, message);
    this.#warnings++;
  }

  #add(severity: Problem['severity'], at: Span, message: string): void {
    if (this.isFull) return;
    const key = `${at.start} ${message}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const [start, end] = [this.#position(at.start), this.#position(at.end)];
    this.#found.push({ severity, message, start, end });
  }

  #position(offset: number): Position {
    this.#lineStarts ??= lineStarts(this.#source);
    let [low, high] = [0, this.#lineStarts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }
}

function lineStarts(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1))
    starts.push(at + 1);
  return starts;
}
