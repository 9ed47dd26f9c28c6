/**
 * Parses what stands in an action: pipelines, commands, terms (pkg.go.dev/text/template, "Pipelines", "Variables").
 * Pure. Functions, how many arguments they take, and variables are checked here, at load and not when a mail is due.
 */
import { type Place, templateFault } from './fault.ts';
import { findFunction, functionNames } from './functions.ts';
import type { Token } from './lexer.ts';
import type { Command, Literal, Pipe, Term } from './syntax.ts';

const PARENTHESES_DEPTH_MAX = 32;
const WORDS: ReadonlyMap<string, Literal> = new Map<string, Literal>([
  ['true', true],
  ['false', false],
  ['nil', null],
]);

/** Reads the tokens of one action. */
export class ExpressionParser {
  readonly #tokens: readonly Token[];
  readonly #place: Place;
  /** The names that are visible here; what is declared is added. */
  readonly #variables: Set<string>;
  #at: number;
  #depth = 0;

  constructor(tokens: readonly Token[], from: number, place: Place, variables: Set<string>) {
    this.#tokens = tokens;
    this.#at = from;
    this.#place = place;
    this.#variables = variables;
  }

  /** The whole rest of the action as a pipeline. Throws `invalid`. */
  parse(isRange: boolean): Pipe {
    const pipe = this.#pipeline(isRange);
    const rest = this.#tokens[this.#at];
    if (rest !== undefined) throw this.#fault(`"${rest.text}" is not expected here`);
    return pipe;
  }

  #pipeline(isRange: boolean): Pipe {
    const { variables, isDeclaring } = this.#declaration(isRange);
    const commands: Command[] = [];
    do commands.push(this.#command(commands.length > 0));
    while (this.#takeSign('|'));
    if (isDeclaring) for (const name of variables) this.#variables.add(name);
    return { place: this.#place, commands, variables, isDeclaring };
  }

  #declaration(isRange: boolean): { variables: readonly string[]; isDeclaring: boolean } {
    const first = this.#tokens[this.#at];
    if (first?.kind !== 'variable') return { variables: [], isDeclaring: false };
    const names = [first.text];
    let at = this.#at + 1;
    const second = this.#tokens[at + 1];
    if (isRange && this.#isSign(at, ',') && second?.kind === 'variable') {
      names.push(second.text);
      at += 2;
    }
    const isDeclaring = this.#isSign(at, ':=');
    if (!isDeclaring && !this.#isSign(at, '=')) return { variables: [], isDeclaring: false };
    this.#at = at + 1;
    if (names.includes('$')) throw this.#fault('$ can not be set');
    if (!isDeclaring) for (const name of names) this.#known(name);
    return { variables: names, isDeclaring };
  }

  #command(isPiped: boolean): Command {
    const first = this.#tokens[this.#at];
    if (first?.kind !== 'name' || WORDS.has(first.text)) {
      const terms = [this.#term()];
      if (isPiped) throw this.#fault('Only a function can stand after |');
      const next = this.#tokens[this.#at];
      if (next !== undefined && !this.#isSign(this.#at, '|') && !this.#isSign(this.#at, ')'))
        throw this.#fault('A value takes no arguments; only a function does');
      return { function: undefined, terms };
    }
    this.#at += 1;
    const terms: Term[] = [];
    while (
      this.#at < this.#tokens.length &&
      !this.#isSign(this.#at, '|') &&
      !this.#isSign(this.#at, ')')
    )
      terms.push(this.#term());
    this.#checkCall(first.text, terms, isPiped);
    return { function: first.text, terms };
  }

  #checkCall(name: string, terms: readonly Term[], isPiped: boolean): void {
    const found = findFunction(name);
    if (found === undefined)
      throw this.#fault(`The function "${name}" is not known`, `Known are: ${functionNames()}`);
    const count = terms.length + (isPiped ? 1 : 0);
    if (count < found.least || count > found.most)
      throw this.#fault(`${name} does not take ${count} argument${count === 1 ? '' : 's'}`);
    const format = terms[0];
    if (format?.kind === 'literal' && found.checkFirst !== undefined)
      found.checkFirst(format.value, (message) => this.#fault(message));
  }

  #term(): Term {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw this.#fault('A value is missing');
    this.#at += 1;
    if (token.kind === 'dot') return { kind: 'dot', path: [] };
    if (token.kind === 'field') return { kind: 'dot', path: [token.text, ...this.#path()] };
    if (token.kind === 'variable') {
      this.#known(token.text);
      return { kind: 'variable', name: token.text, path: this.#path() };
    }
    if (token.kind === 'string') return { kind: 'literal', value: token.text };
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) };
    if (token.kind === 'sign' && token.text === '(') return this.#parenthesised();
    return this.#word(token);
  }

  #word(token: Token): Term {
    const value = WORDS.get(token.text);
    if (token.kind === 'name' && value !== undefined) return { kind: 'literal', value };
    if (token.kind !== 'name') throw this.#fault(`"${token.text}" is not expected here`);
    // A function without parentheses as an argument is called without arguments, which none of ours allows.
    throw this.#fault(`Put parentheses around the call of "${token.text}"`);
  }

  #parenthesised(): Term {
    this.#depth += 1;
    if (this.#depth > PARENTHESES_DEPTH_MAX) throw this.#fault('Parentheses are nested too deeply');
    const pipe = this.#pipeline(false);
    if (!this.#takeSign(')')) throw this.#fault('A ) is missing');
    this.#depth -= 1;
    return { kind: 'pipe', pipe, path: this.#path() };
  }

  /** The fields that follow without a space. */
  #path(): string[] {
    const path: string[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token?.kind !== 'field' || token.isApart) return path;
      path.push(token.text);
      this.#at += 1;
    }
  }

  #known(name: string): void {
    if (!this.#variables.has(name)) throw this.#fault(`The variable ${name} is not declared`);
  }

  #isSign(at: number, sign: string): boolean {
    const token = this.#tokens[at];
    return token?.kind === 'sign' && token.text === sign;
  }

  #takeSign(sign: string): boolean {
    if (!this.#isSign(this.#at, sign)) return false;
    this.#at += 1;
    return true;
  }

  #fault(message: string, hint?: string): Error {
    return templateFault(this.#place, message, hint);
  }
}
