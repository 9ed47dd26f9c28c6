/**
 * The one way to write a source of the permission language: two spaces, lines of 100 columns where that is possible, one
 * member a line, argument types spelled out. It must never change what a source means or lose a comment; what stands
 * between classes, and parentheses that mean something, stay as they are. Formatting twice is formatting once.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Block, ClassNode, Expression, PermitNode, RelationNode } from './ast.ts';
import {
  expressionAnchor,
  expressionEnd,
  expressionText,
  isBare,
  nameText,
  operandAnchor,
  operandText,
  traverseHead,
  typeEnd,
  typeText,
} from './flat.ts';
import { type Lexed, lex, type Token } from './lexer.ts';
import { parse } from './parser.ts';
import { Problems } from './text.ts';
import { SPACES, Writer } from './writer.ts';

const COLUMNS_MAX = 100;
/** What may follow an operand on its line. */
const OPERATOR_WIDTH = ' ||'.length;

/** Formats a source. Throws `invalid` (facts: line, column) for a syntax error. */
export function formatModel(source: string): string {
  const lexed = lex(source);
  const problems = new Problems(source);
  const classes = parse(lexed, problems);
  const problem = problems.all.find((p) => p.severity === 'error');
  if (problem !== undefined)
    throw new PosternError('invalid', problem.message, { facts: { ...problem.start } });
  return new Formatter(source, lexed).format(classes);
}

class Formatter {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #writer: Writer;

  constructor(source: string, lexed: Lexed) {
    this.#source = source;
    this.#tokens = lexed.tokens;
    this.#writer = new Writer(source, lexed);
  }

  format(classes: readonly ClassNode[]): string {
    let end = 0;
    for (const node of classes) {
      this.#between(end, node.at);
      this.#class(node);
      end = this.#tokens[node.end]?.end ?? end;
    }
    this.#between(end, this.#tokens.length - 1);
    const { result } = this.#writer;
    return result === '' ? '' : `${result}\n`;
  }

  /** What stands outside of classes, from an offset up to a token: as it is, but for the space around it. */
  #between(start: number, upTo: number): void {
    const text = this.#source.slice(start, this.#tokens[upTo]?.start);
    const [before, kept, after] = splitSpace(text);
    if (kept === '') {
      this.#writer.line('always');
      return;
    }
    if (start === 0 || before.includes('\n')) this.#writer.line('always');
    else if (before !== '') this.#writer.space();
    this.#writer.verbatim(kept, upTo);
    const lines = after.split('\n').length - 1;
    if (lines > 0) this.#writer.line(lines > 1 ? 'always' : 'never');
    else if (this.#tokens[upTo]?.kind !== 'EOF') this.#writer.space();
  }

  #class({ at, name, blocks, end }: ClassNode): void {
    this.#writer.token('class', at);
    this.#writer.space();
    this.#writer.token(`${nameText(name)} implements Namespace {`, name.at);
    this.#body(blocks, name.at, end, 'always', (block) => this.#block(block));
  }

  #block(block: Block): void {
    const { kind, at, end } = block;
    this.#writer.token(kind === 'related' ? 'related: {' : 'permits = {', at);
    if (kind === 'related') this.#body(block.members, at, end, 'keep', (m) => this.#relation(m));
    else this.#body(block.members, at, end, 'keep', (m) => this.#permit(m));
  }

  /** The members between two braces, the first of which is written, and the second brace. */
  #body<T>(
    members: readonly T[],
    at: number,
    end: number,
    blank: 'keep' | 'always',
    write: (member: T) => void,
  ): void {
    if (members.length > 0 || this.#writer.hasComment(at, end)) {
      this.#writer.indent(1);
      members.forEach((member, i) => {
        this.#writer.line(i === 0 ? 'notFirst' : blank);
        write(member);
      });
      this.#writer.line(members.length === 0 ? 'notFirst' : 'keep');
      this.#writer.comments(end);
      this.#writer.indent(-1);
      this.#writer.line('never');
    }
    this.#writer.token('}', end);
  }

  #relation({ name, types }: RelationNode): void {
    const writer = this.#writer;
    writer.token(`${nameText(name)}: `, name.at);
    const texts = types.map(typeText);
    const flat = texts.join(' | ');
    const all = types.length === 1 ? `${flat}[]` : `(${flat})[]`;
    const width = writer.indentWidth + nameText(name).length + 2 + all.length;
    const last = Math.max(name.at, ...types.slice(-1).map(typeEnd));
    if (!writer.hasComment(name.at, last) && (width <= COLUMNS_MAX || types.length === 1)) {
      writer.text(all);
      return;
    }
    writer.text('(');
    writer.indent(1);
    types.forEach((type, i) => {
      writer.line('never');
      writer.token(`${texts[i]}${i < types.length - 1 ? ' |' : ''}`, typeEnd(type));
    });
    writer.indent(-1);
    writer.line('never');
    writer.text(')[]');
  }

  #permit({ name, expression }: PermitNode): void {
    const writer = this.#writer;
    const head = `${nameText(name)}: (ctx: Context): boolean =>`;
    writer.token(head, name.at);
    const flat = expressionText(expression);
    const width = writer.indentWidth + head.length + flat.length + 2;
    if (width <= COLUMNS_MAX && !writer.hasComment(name.at, expressionEnd(expression))) {
      writer.text(` ${flat},`);
      return;
    }
    writer.indent(1);
    writer.line('never');
    this.#expression(expression);
    writer.text(',');
    writer.indent(-1);
  }

  /** An expression that may take several lines, without parentheses of its own. */
  #expression(e: Expression): void {
    if (this.#fits(expressionText(e), expressionAnchor(e), e)) return;
    if (e.kind === 'group') this.#operands(e);
    else this.#operand(e);
  }

  #operands(group: Expression & { kind: 'group' }): void {
    group.children.forEach((child, i) => {
      if (i > 0) {
        this.#writer.text(` ${group.operator}`);
        this.#writer.line('never');
      }
      if (child.kind === 'group' && isBare(child, i)) this.#operands(child);
      else this.#operand(child);
    });
  }

  #operand(e: Expression): void {
    if (this.#fits(operandText(e), operandAnchor(e), e)) return;
    switch (e.kind) {
      case 'group':
        this.#writer.token('(', e.at);
        this.#inner(e);
        return;
      case 'not':
        this.#writer.token('!', operandAnchor(e.child));
        this.#operand(e.child);
        return;
      case 'traverse':
        this.#writer.token(traverseHead(e), e.argument.at);
        this.#inner(e.body);
        return;
      default:
        this.#writer.token(operandText(e), e.name.at);
    }
  }

  /** Writes an expression as that text if that is possible. */
  #fits(text: string, anchor: number, e: Expression): boolean {
    const end = expressionEnd(e);
    const width = this.#writer.indentWidth + text.length + OPERATOR_WIDTH;
    const fits = width <= COLUMNS_MAX && !this.#writer.hasComment(anchor, end);
    if (fits) this.#writer.token(text, end);
    return fits;
  }

  /** What is in parentheses the first of which is written, and the second one. */
  #inner(e: Expression): void {
    this.#writer.indent(1);
    this.#writer.line('never');
    this.#expression(e);
    this.#writer.indent(-1);
    this.#writer.line('never');
    this.#writer.text(')');
  }
}

/** The space at the beginning of a text, what is between, and the space at its end. */
function splitSpace(text: string): readonly [string, string, string] {
  let [start, end] = [0, text.length];
  while (start < end && SPACES.has(text[start] ?? '')) start++;
  while (end > start && SPACES.has(text[end - 1] ?? '')) end--;
  return [text.slice(0, start), text.slice(start, end), text.slice(end)];
}
