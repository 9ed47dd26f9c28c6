/**
 * Fills a parsed template with data. Pure and bounded: in steps, in depth and in length, so that neither a template that
 * calls itself nor hostile data can hold a server. Every value written into HTML is escaped for its place.
 */
import { type Place, templateFault } from './fault.ts';
import { findFunction } from './functions.ts';
import { afterText, escapeFor, HTML_START, type HtmlState, refusalOf } from './html-context.ts';
import type { Command, Definitions, Node, Pipe, Term } from './syntax.ts';
import { fieldOf, isList, isObject, isTrue, printed, type Value } from './value.ts';

const STEPS_MAX = 50_000;
/** All texts that functions make on the way, together. */
const MADE_CHARACTERS_MAX = 4 * 1_024 * 1_024;
const CALL_DEPTH_MAX = 32;
/** A mail of this size is no message of sign-in. */
export const OUTPUT_CHARACTERS_MAX: number = 512 * 1_024;

/** Variables by name; an inner scope sees the outer ones and can set them. */
class Scope {
  readonly #outer: Scope | undefined;
  readonly #values = new Map<string, Value>();
  constructor(outer?: Scope) {
    this.#outer = outer;
  }
  declare(name: string, value: Value): void {
    this.#values.set(name, value);
  }
  set(name: string, value: Value): void {
    if (this.#values.has(name)) this.#values.set(name, value);
    else this.#outer?.set(name, value);
  }
  get(name: string): Value {
    return this.#values.has(name) ? this.#values.get(name) : this.#outer?.get(name);
  }
}

class Renderer {
  readonly #definitions: Definitions;
  readonly #parts: string[] = [];
  #html: HtmlState | undefined;
  #length = 0;
  #steps = 0;
  #made = 0;
  #callDepth = 0;

  constructor(definitions: Definitions, isHtml: boolean) {
    this.#definitions = definitions;
    this.#html = isHtml ? HTML_START : undefined;
  }

  run(entry: string, data: Value): string {
    const place = { file: entry, line: 1 };
    this.#call(entry, data, place);
    return this.#parts.join('');
  }

  #call(name: string, data: Value, place: Place): void {
    const nodes = this.#definitions.get(name);
    if (nodes === undefined) throw templateFault(place, `There is no template "${name}"`);
    this.#callDepth += 1;
    if (this.#callDepth > CALL_DEPTH_MAX)
      throw templateFault(place, 'Templates call each other too deeply');
    const scope = new Scope();
    scope.declare('$', data);
    this.#list(nodes, data, scope);
    this.#callDepth -= 1;
  }

  #list(nodes: readonly Node[], dot: Value, scope: Scope): void {
    for (const node of nodes) this.#node(node, dot, scope);
  }

  #node(node: Node, dot: Value, scope: Scope): void {
    this.#count(node.place);
    switch (node.kind) {
      case 'text':
        if (this.#html !== undefined) this.#html = afterText(this.#html, node.text);
        this.#write(node.text, node.place);
        return;
      case 'output': {
        const value = this.#pipe(node.pipe, dot, scope);
        if (node.pipe.variables.length === 0) this.#value(printed(value), node.place);
        return;
      }
      case 'if':
      case 'with':
        this.#choice(node, dot, scope);
        return;
      case 'range':
        this.#range(node, dot, scope);
        return;
      case 'call': {
        const data = node.pipe === undefined ? undefined : this.#pipe(node.pipe, dot, scope);
        this.#call(node.name, data, node.place);
        return;
      }
    }
  }

  #choice(node: Extract<Node, { kind: 'if' | 'with' }>, dot: Value, outer: Scope): void {
    const scope = new Scope(outer);
    for (const { pipe, body } of node.branches) {
      const value = this.#pipe(pipe, dot, scope);
      if (!isTrue(value)) continue;
      this.#list(body, node.kind === 'with' ? value : dot, new Scope(scope));
      return;
    }
    this.#list(node.otherwise, dot, new Scope(scope));
  }

  #range(node: Extract<Node, { kind: 'range' }>, dot: Value, outer: Scope): void {
    const over = this.#pipe({ ...node.pipe, variables: [] }, dot, outer);
    const entries = entriesOf(over, node.place);
    if (entries.length === 0) this.#list(node.otherwise, dot, new Scope(outer));
    const { variables, isDeclaring } = node.pipe;
    for (const [key, element] of entries) {
      this.#count(node.place);
      const scope = new Scope(outer);
      const put = (name: string | undefined, value: Value): void => {
        if (name === undefined) return;
        if (isDeclaring) scope.declare(name, value);
        else scope.set(name, value);
      };
      if (variables.length === 2) put(variables[0], key);
      put(variables.at(-1), element);
      this.#list(node.body, element, scope);
    }
  }

  #pipe(pipe: Pipe, dot: Value, scope: Scope): Value {
    let value: Value;
    for (const [at, command] of pipe.commands.entries()) {
      this.#count(pipe.place);
      value = this.#command(command, at === 0 ? [] : [value], pipe.place, dot, scope);
    }
    const name = pipe.variables[0];
    if (name !== undefined && pipe.isDeclaring) scope.declare(name, value);
    else if (name !== undefined) scope.set(name, value);
    return value;
  }

  #command(
    command: Command,
    piped: readonly Value[],
    place: Place,
    dot: Value,
    scope: Scope,
  ): Value {
    const { function: name, terms } = command;
    const found = name === undefined ? undefined : findFunction(name);
    const values: Value[] = [];
    for (const term of terms) {
      const value = this.#term(term, place, dot, scope);
      if (name === undefined) return value;
      values.push(value);
      if (found?.isEnough?.(value) === true) return value;
    }
    if (found === undefined) throw templateFault(place, `The function "${name}" is not known`);
    const made = found.call([...values, ...piped], (message) => templateFault(place, message));
    this.#made += typeof made === 'string' ? made.length : 0;
    if (this.#made > MADE_CHARACTERS_MAX) throw templateFault(place, 'The texts grow too long');
    return made;
  }

  #term(term: Term, place: Place, dot: Value, scope: Scope): Value {
    if (term.kind === 'literal') return term.value;
    if (term.kind === 'dot') return follow(dot, term.path, place);
    if (term.kind === 'variable') return follow(scope.get(term.name), term.path, place);
    return follow(this.#pipe(term.pipe, dot, scope), term.path, place);
  }

  #value(text: string, place: Place): void {
    // The check at loading refuses this already; here it holds whatever the data are.
    const refusal = this.#html === undefined ? undefined : refusalOf(this.#html);
    if (refusal !== undefined) throw templateFault(place, refusal);
    const escaped = this.#html === undefined ? undefined : escapeFor(this.#html, text);
    this.#html = escaped?.state;
    this.#write(escaped?.text ?? text, place);
  }

  #write(text: string, place: Place): void {
    this.#length += text.length;
    if (this.#length > OUTPUT_CHARACTERS_MAX)
      throw templateFault(place, 'The message grows too long');
    this.#parts.push(text);
  }

  #count(place: Place): void {
    this.#steps += 1;
    if (this.#steps > STEPS_MAX) throw templateFault(place, 'The template takes too many steps');
  }
}

function entriesOf(over: Value, place: Place): readonly (readonly [Value, Value])[] {
  if (over === undefined || over === null) return [];
  if (isList(over)) return over.map((element, at) => [at, element] as const);
  if (!isObject(over)) throw templateFault(place, 'range needs a list or an object');
  // Go goes through a map in the order of its keys.
  return Object.keys(over)
    .toSorted()
    .map((key) => [key, fieldOf(over, key)] as const);
}

function follow(from: Value, path: readonly string[], place: Place): Value {
  let value = from;
  for (const name of path) {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw templateFault(place, `"${name}" is asked of what has no fields`);
    value = fieldOf(value, name);
  }
  return value;
}

/** Fills the template `entry` with `data`. Throws `invalid` with file and line where data and template do not fit. */
export function renderTemplate(
  definitions: Definitions,
  entry: string,
  isHtml: boolean,
  data: Value,
): string {
  return new Renderer(definitions, isHtml).run(entry, data);
}
