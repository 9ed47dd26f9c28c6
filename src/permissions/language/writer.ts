/**
 * Writes tokens in order, with the comments of the source between them. It must never lose, change or reorder a comment:
 * those before a token that is not written again go before the next one that is.
 */
import type { Comment, Lexed } from './lexer.ts';

/**
 * Whether a blank line goes with a line break: `keep` where the source has one, `notFirst` not before the very next
 * thing, and between comments where the source has one.
 */
export type Blank = 'never' | 'notFirst' | 'keep' | 'always';

const INDENT = '  ';
/** What is space to the language. */
export const SPACES: ReadonlySet<string> = new Set('\t\n\v\f\r ');

export class Writer {
  readonly #source: string;
  readonly #lexed: Lexed;
  readonly #parts: string[] = [];
  /** How many comments stand before each token. */
  readonly #commentsBefore: Uint32Array;
  #nextComment = 0;
  #indent = 0;
  #breaks = false;
  /** For the line breaks before the next token, and between the comments before it. */
  #blank: Blank = 'never';
  #needsSpace = false;
  /** Whether the line ends with a comment that nothing may follow on it. */
  #isClosed = false;

  constructor(source: string, lexed: Lexed) {
    this.#source = source;
    this.#lexed = lexed;
    this.#commentsBefore = new Uint32Array(lexed.tokens.length + 1);
    for (const { before } of lexed.comments) {
      const count = this.#commentsBefore[before + 1];
      if (count !== undefined) this.#commentsBefore[before + 1] = count + 1;
    }
    for (let i = 1; i < this.#commentsBefore.length; i++)
      this.#commentsBefore[i] = (this.#commentsBefore[i] ?? 0) + (this.#commentsBefore[i - 1] ?? 0);
  }

  /** Columns that are taken at the beginning of a line. */
  get indentWidth(): number {
    return this.#indent * INDENT.length;
  }

  /** Whether a comment stands behind token `after` and before token `upTo`, which is not before it. */
  hasComment(after: number, upTo: number): boolean {
    return (this.#commentsBefore[upTo + 1] ?? 0) > (this.#commentsBefore[after + 1] ?? 0);
  }

  indent(by: 1 | -1): void {
    this.#indent += by;
  }

  /** The next thing begins a line. */
  line(blank: Blank): void {
    this.#breaks = true;
    this.#blank = blank;
  }

  /** A space comes before the next thing. */
  space(): void {
    this.#needsSpace = true;
  }

  /** Writes a text that has no place in the source. */
  text(text: string): void {
    this.#separate(undefined);
    this.#parts.push(text);
    this.#blank = 'never';
  }

  /** Writes the comments up to token `at`, then the text for it. */
  token(text: string, at: number): void {
    this.comments(at);
    const next = this.#lexed.tokens[at];
    // A string literal begins at its value: the quote stands before it.
    const quoteWidth = next?.kind === 'StringLiteral' ? 1 : 0;
    this.#separate(next === undefined ? undefined : next.start - quoteWidth);
    this.#parts.push(text);
    this.#blank = 'never';
  }

  /** Writes the comments that stand before token `at` and are not written yet. */
  comments(at: number): void {
    for (;;) {
      const comment = this.#lexed.comments[this.#nextComment];
      if (comment === undefined || comment.before > at) return;
      this.#nextComment++;
      this.#comment(comment);
    }
  }

  /** Writes a part of the source as it is, with the comments in it. */
  verbatim(text: string, upTo: number): void {
    const { comments } = this.#lexed;
    for (
      let next = comments[this.#nextComment];
      next !== undefined;
      next = comments[this.#nextComment]
    ) {
      if (next.before > upTo) break;
      this.#nextComment++;
    }
    this.text(text);
  }

  get result(): string {
    return this.#parts.join('');
  }

  #comment({ text, start, end }: Comment): void {
    const isLine = text.startsWith('//');
    const ownLine = this.#isClosed || this.#linesBefore(start) > 0;
    if (ownLine) {
      this.#breaks = true;
      this.#separate(start);
      if (this.#blank !== 'never') this.#blank = 'keep';
    } else if (this.#parts.length > 0) this.#parts.push(' ');
    this.#parts.push(isLine ? text.trimEnd() : text);
    if (isLine || this.#breaksAt(end)) this.#breaks = true;
    this.#needsSpace = !this.#breaks;
    this.#isClosed = isLine;
  }

  /** Writes what separates the next thing, which begins in the source at `start`, from the one before. */
  #separate(start: number | undefined): void {
    if (this.#breaks && this.#parts.length > 0) {
      const isBlank =
        this.#blank === 'always' ||
        (this.#blank === 'keep' && start !== undefined && this.#linesBefore(start) > 1);
      this.#parts.push(isBlank ? '\n\n' : '\n', INDENT.repeat(this.#indent));
    } else if (this.#needsSpace) this.#parts.push(' ');
    this.#breaks = false;
    this.#needsSpace = false;
    this.#isClosed = false;
  }

  /** How many lines end in the space before that place. */
  #linesBefore(place: number): number {
    let lines = 0;
    for (let at = place - 1; SPACES.has(this.#source[at] ?? ''); at--)
      if (this.#source[at] === '\n') lines++;
    return lines;
  }

  /** Whether the line ends at that place, space apart. */
  #breaksAt(place: number): boolean {
    let at = place;
    while (this.#source[at] !== '\n' && SPACES.has(this.#source[at] ?? '')) at++;
    return this.#source[at] === '\n';
  }
}
