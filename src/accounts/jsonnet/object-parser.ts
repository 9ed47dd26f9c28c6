/** Reads what stands between `{` and `}`. A part of the parser, apart for its size; pure and bounded as that is. */

import { JsonnetFault } from './fault.ts';
import type { Parser } from './parser.ts';
import type {
  AssertSyntax,
  Binding,
  FieldSyntax,
  ObjectSyntax,
  Syntax,
  Visibility,
} from './syntax.ts';

const COLONS: ReadonlyMap<string, { visibility: Visibility; isAdded: boolean }> = new Map([
  [':', { visibility: 'inherited', isAdded: false }],
  ['::', { visibility: 'hidden', isAdded: false }],
  [':::', { visibility: 'shown', isAdded: false }],
  ['+:', { visibility: 'inherited', isAdded: true }],
  ['+::', { visibility: 'hidden', isAdded: true }],
  ['+:::', { visibility: 'shown', isAdded: true }],
]);

/** Reader of one object literal; made when its `{` is consumed. */
export class ObjectReader {
  private readonly parser: Parser;
  private readonly fields: FieldSyntax[] = [];
  private readonly locals: Binding[] = [];
  private readonly asserts: AssertSyntax[] = [];
  private isComputed = false;

  constructor(parser: Parser) {
    this.parser = parser;
  }

  /** The literal, up to its `}`. Throws JsonnetFault. */
  read(at: number): ObjectSyntax {
    const { parser, fields, locals, asserts } = this;
    while (!parser.accept('}')) {
      this.member();
      const hasComma = parser.accept(',');
      if (parser.is('for')) {
        if (fields.length !== 1 || asserts.length > 0 || !this.isComputed)
          throw parser.unexpected();
        const clauses = parser.clauses();
        parser.expect('}');
        return { kind: 'object', at, fields, locals, asserts, clauses };
      }
      if (!hasComma && !parser.is('}')) throw parser.unexpected('}');
    }
    return { kind: 'object', at, fields, locals, asserts, clauses: [] };
  }

  private member(): void {
    const { at } = this.parser.peek();
    if (this.parser.accept('local')) this.locals.push(this.parser.binding());
    else if (this.parser.accept('assert')) this.asserts.push(this.parser.assertion(at));
    else this.fields.push(this.field());
  }

  private field(): FieldSyntax {
    const { parser } = this;
    const name = this.fieldName();
    const at = parser.peek().at;
    const parameters = parser.is('(') ? parser.parameters() : undefined;
    const token = parser.peek();
    const colon = token.kind === 'operator' ? COLONS.get(token.text) : undefined;
    if (colon === undefined) throw parser.unexpected(':');
    if (parameters !== undefined && colon.isAdded)
      throw new JsonnetFault('a method can not be added to', at);
    parser.next();
    const body = parser.expression();
    return {
      name,
      ...colon,
      body: parameters === undefined ? body : { kind: 'function', at, parameters, body },
    };
  }

  private fieldName(): Syntax {
    const { parser } = this;
    if (parser.accept('[')) {
      this.isComputed = true;
      const name = parser.expression();
      parser.expect(']');
      return name;
    }
    const token = parser.peek();
    if (token.kind !== 'identifier' && token.kind !== 'string') throw parser.unexpected();
    parser.next();
    return { kind: 'literal', at: token.at, value: token.text };
  }
}
