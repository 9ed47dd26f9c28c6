/**
 * Looks through a parsed template once, when it is loaded: every template that is called exists, every field asked of
 * the message's own data exists, and every value stands where HTML can be escaped. Pure. A mistake so shows when the
 * server starts and not when somebody waits for a code.
 */
import { templateFault } from './fault.ts';
import { afterText, HTML_START, type HtmlState, isSameState, refusalOf } from './html-context.ts';
import type { Definitions, Node, Pipe, Term } from './syntax.ts';

const CALLS_MAX = 2_000;

/** What is known of a place in the tree. */
interface Facts {
  /** Whether `.` is the message's own data, whose fields are known. */
  readonly isDotRoot: boolean;
  /** The same of `$`. */
  readonly isDollarRoot: boolean;
}

export interface CheckOptions {
  readonly isHtml: boolean;
  /** The fields of the message's own data; undefined when they are not known. */
  readonly fields: ReadonlySet<string> | undefined;
}

class Checker {
  readonly #definitions: Definitions;
  readonly #options: CheckOptions;
  /** How a template leaves the HTML state that it was called in, by call; absent while it is under way. */
  readonly #left = new Map<string, HtmlState | undefined>();

  constructor(definitions: Definitions, options: CheckOptions) {
    this.#definitions = definitions;
    this.#options = options;
  }

  call(name: string, isRoot: boolean, state: HtmlState, from: Node['place']): HtmlState {
    const nodes = this.#definitions.get(name);
    if (nodes === undefined) throw templateFault(from, `There is no template "${name}"`);
    const key = JSON.stringify([name, isRoot, this.#options.isHtml ? state : '']);
    if (this.#left.has(key)) return this.#left.get(key) ?? state;
    if (this.#left.size >= CALLS_MAX) throw templateFault(from, 'Too many templates call another');
    this.#left.set(key, undefined);
    const left = this.#list(nodes, state, { isDotRoot: isRoot, isDollarRoot: isRoot });
    this.#left.set(key, left);
    return left;
  }

  #list(nodes: readonly Node[], before: HtmlState, facts: Facts): HtmlState {
    let state = before;
    for (const node of nodes) state = this.#node(node, state, facts);
    return state;
  }

  #node(node: Node, state: HtmlState, facts: Facts): HtmlState {
    switch (node.kind) {
      case 'text':
        return this.#options.isHtml ? afterText(state, node.text) : state;
      case 'output': {
        this.#pipe(node.pipe, facts);
        const refusal = this.#options.isHtml ? refusalOf(state) : undefined;
        if (refusal !== undefined && node.pipe.variables.length === 0)
          throw templateFault(node.place, refusal);
        return state;
      }
      case 'if':
      case 'with': {
        const ends = node.branches.map(({ pipe, body }) => {
          this.#pipe(pipe, facts);
          return this.#list(body, state, node.kind === 'if' ? facts : this.#under(pipe, facts));
        });
        return this.#meet(node, [...ends, this.#list(node.otherwise, state, facts)]);
      }
      case 'range': {
        this.#pipe(node.pipe, facts);
        const inside = { ...facts, isDotRoot: false };
        // Once, many times or never: all must leave the same state.
        const ends = [state, this.#list(node.body, state, inside)];
        return this.#meet(node, [...ends, this.#list(node.otherwise, state, facts)]);
      }
      case 'call': {
        if (node.pipe !== undefined) this.#pipe(node.pipe, facts);
        return this.call(node.name, this.#isRoot(node.pipe, facts), state, node.place);
      }
    }
  }

  #meet(node: Node, ends: readonly HtmlState[]): HtmlState {
    const [first, ...others] = ends;
    if (first === undefined) return HTML_START;
    if (this.#options.isHtml && others.some((other) => !isSameState(first, other)))
      throw templateFault(node.place, 'The branches end in different places of the HTML');
    return ends.find((end) => end.url === 'query') ?? first;
  }

  #under(pipe: Pipe, facts: Facts): Facts {
    return { ...facts, isDotRoot: this.#isRoot(pipe, facts) };
  }

  #isRoot(pipe: Pipe | undefined, facts: Facts): boolean {
    const command = pipe?.commands[0];
    const term = command?.terms[0];
    if (pipe?.commands.length !== 1 || command?.function !== undefined) return false;
    if (term?.kind === 'dot') return term.path.length === 0 && facts.isDotRoot;
    return (
      term?.kind === 'variable' && term.name === '$' && term.path.length === 0 && facts.isDollarRoot
    );
  }

  #pipe(pipe: Pipe, facts: Facts): void {
    for (const { terms } of pipe.commands)
      for (const term of terms) {
        if (term.kind === 'pipe') this.#pipe(term.pipe, facts);
        else this.#field(term, pipe, facts);
      }
  }

  #field(term: Exclude<Term, { kind: 'pipe' }>, pipe: Pipe, facts: Facts): void {
    const { fields } = this.#options;
    if (fields === undefined || term.kind === 'literal') return;
    const isOfRoot =
      term.kind === 'dot' ? facts.isDotRoot : term.name === '$' && facts.isDollarRoot;
    const name = term.path[0];
    if (!isOfRoot || name === undefined || fields.has(name)) return;
    const known = [...fields].map((field) => `.${field}`).join(', ');
    throw templateFault(pipe.place, `This message has no .${name}`, `It has ${known}`);
  }
}

/** Checks the template `entry` and all that it calls. Throws `invalid` with file and line. */
export function checkTemplate(
  definitions: Definitions,
  entry: string,
  options: CheckOptions,
): void {
  const place = { file: entry, line: 1 };
  const end = new Checker(definitions, options).call(entry, true, HTML_START, place);
  if (options.isHtml && end.place !== 'text' && end.place !== 'tag-open')
    throw templateFault(place, 'The HTML ends within a tag, a comment, a script or a style');
}
