/**
 * Builds the tree of a Go template from its pieces: if, else, with, range, define, block, template, end. Pure; the
 * depth is bounded. What is not of the subset (break, continue, unknown words) is refused with its line.
 */
import { ExpressionParser } from './expression.ts';
import { type Place, templateFault } from './fault.ts';
import { cutTemplate, type Piece, type Token } from './lexer.ts';
import type { Branch, Node, Pipe } from './syntax.ts';

const BLOCK_DEPTH_MAX = 64;

type Action = Extract<Piece, { kind: 'action' }>;
/** How a list of nodes ended: by `else` or `end`, or with the file. */
interface Ended {
  readonly nodes: readonly Node[];
  readonly by: Action | undefined;
}

const keywordOf = (action: Action): string => {
  const first = action.tokens[0];
  return first?.kind === 'name' ? first.text : '';
};

class Parser {
  readonly #pieces: readonly Piece[];
  readonly #definitions: Map<string, readonly Node[]>;
  #at = 0;
  #depth = 0;

  constructor(pieces: readonly Piece[], definitions: Map<string, readonly Node[]>) {
    this.#pieces = pieces;
    this.#definitions = definitions;
  }

  file(): readonly Node[] {
    const { nodes, by } = this.#list(new Set(['$']), true);
    if (by !== undefined)
      throw templateFault(by.place, `{{ ${keywordOf(by)} }} stands without a beginning`);
    return nodes;
  }

  #list(variables: Set<string>, isTop: boolean): Ended {
    const nodes: Node[] = [];
    for (;;) {
      const piece = this.#pieces[this.#at];
      if (piece === undefined) return { nodes, by: undefined };
      this.#at += 1;
      if (piece.kind === 'text') {
        nodes.push(piece);
        continue;
      }
      const keyword = keywordOf(piece);
      if (keyword === 'end' || keyword === 'else') return { nodes, by: piece };
      if (keyword === 'define') this.#define(piece, isTop);
      else nodes.push(this.#node(keyword, piece, variables));
    }
  }

  #node(keyword: string, action: Action, variables: Set<string>): Node {
    const { place, tokens } = action;
    if (keyword === 'if' || keyword === 'with') return this.#choice(keyword, action, variables);
    if (keyword === 'range') return this.#range(action, variables);
    if (keyword === 'template' || keyword === 'block')
      return this.#call(keyword, action, variables);
    if (keyword === 'break' || keyword === 'continue')
      throw templateFault(place, `{{ ${keyword} }} is not supported`);
    const pipe = new ExpressionParser(tokens, 0, place, variables).parse(false);
    return { kind: 'output', pipe, place };
  }

  #choice(kind: 'if' | 'with', action: Action, outer: ReadonlySet<string>): Node {
    const branches: Branch[] = [];
    // What a condition declares is visible in the branches after it too.
    const visible = new Set(outer);
    let head: { readonly action: Action; readonly from: number } = { action, from: 1 };
    for (;;) {
      const { tokens, place } = head.action;
      const pipe = new ExpressionParser(tokens, head.from, place, visible).parse(false);
      const { nodes, by } = this.#body(head.action, visible);
      branches.push({ pipe, body: nodes });
      if (keywordOf(by) === 'end') return { kind, branches, otherwise: [], place: action.place };
      const again = by.tokens[1];
      if (again === undefined)
        return { kind, branches, otherwise: this.#otherwise(by, visible), place: action.place };
      if (again.kind !== 'name' || again.text !== kind)
        throw templateFault(by.place, `{{ else ${again.text} }} does not fit {{ ${kind} }}`);
      head = { action: by, from: 2 };
    }
  }

  #range(action: Action, outer: ReadonlySet<string>): Node {
    const { tokens, place } = action;
    const visible = new Set(outer);
    const pipe = new ExpressionParser(tokens, 1, place, visible).parse(true);
    const { nodes, by } = this.#body(action, visible);
    if (by.tokens.length > 1 && keywordOf(by) === 'else')
      throw templateFault(by.place, 'A {{ range }} has only a plain {{ else }}');
    const otherwise = keywordOf(by) === 'else' ? this.#otherwise(by, outer) : [];
    return { kind: 'range', pipe, body: nodes, otherwise, place };
  }

  #call(keyword: string, action: Action, variables: Set<string>): Node {
    const { tokens, place } = action;
    const name = nameIn(tokens, place, keyword);
    const hasData = tokens.length > 2;
    const pipe: Pipe | undefined = hasData
      ? new ExpressionParser(tokens, 2, place, variables).parse(false)
      : undefined;
    if (keyword === 'block') {
      if (pipe === undefined) throw templateFault(place, '{{ block }} needs a name and a value');
      this.#keep(name, this.#closed(action));
    }
    return { kind: 'call', name, pipe, place };
  }

  #define(action: Action, isTop: boolean): void {
    if (!isTop) throw templateFault(action.place, '{{ define }} must not stand within another');
    const name = nameIn(action.tokens, action.place, 'define');
    if (action.tokens.length > 2)
      throw templateFault(action.place, '{{ define }} takes a name alone');
    this.#keep(name, this.#closed(action));
  }

  /** As in Go, an empty definition does not replace one with text. */
  #keep(name: string, nodes: readonly Node[]): void {
    const isEmpty = nodes.every((node) => node.kind === 'text' && node.text.trim() === '');
    if (!isEmpty || !this.#definitions.has(name)) this.#definitions.set(name, nodes);
  }

  /** The body of a definition, which sees no variables of what surrounds it. */
  #closed(action: Action): readonly Node[] {
    const { nodes, by } = this.#body(action, new Set(['$']));
    if (keywordOf(by) !== 'end')
      throw templateFault(by.place, `{{ else }} does not fit {{ ${keywordOf(action)} }}`);
    return nodes;
  }

  #otherwise(action: Action, visible: ReadonlySet<string>): readonly Node[] {
    const { nodes, by } = this.#body(action, visible);
    if (keywordOf(by) !== 'end') throw templateFault(by.place, 'There is a second {{ else }}');
    return nodes;
  }

  #body(opener: Action, visible: ReadonlySet<string>): { nodes: readonly Node[]; by: Action } {
    this.#depth += 1;
    if (this.#depth > BLOCK_DEPTH_MAX)
      throw templateFault(opener.place, 'Blocks are nested too deeply');
    const { nodes, by } = this.#list(new Set(visible), false);
    this.#depth -= 1;
    if (by === undefined)
      throw templateFault(opener.place, `{{ ${keywordOf(opener)} }} is never ended`);
    if (keywordOf(by) === 'end' && by.tokens.length > 1)
      throw templateFault(by.place, '{{ end }} stands alone');
    return { nodes, by };
  }
}

function nameIn(tokens: readonly Token[], place: Place, keyword: string): string {
  const name = tokens[1];
  if (name?.kind === 'string') return name.text;
  throw templateFault(place, `{{ ${keyword} }} needs a name in quotes`);
}

/** Parses one file into `definitions`, under the file's name. Throws `invalid` with file and line. */
export function parseFile(
  file: string,
  source: string,
  definitions: Map<string, readonly Node[]>,
): void {
  definitions.set(file, new Parser(cutTemplate(file, source), definitions).file());
}
