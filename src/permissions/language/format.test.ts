import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileModel } from './compile.ts';
import { formatModel } from './format.ts';

const folder = new URL('../../../test/corpus/opl/', import.meta.url);

describe('the formatter', () => {
  it('writes what is on the left in one way', () => {
    expect(
      formatModel(`import {A} from 'x';   export   class 'User'   implements Namespace{};;
class D implements Namespace{;related:{a:Array<User>;"b":User[],

"class":(User|SubjectSet<User,'x y'>|SubjectSet<D,a>)[]};permits={p:(ctx)=>((this.related.a.includes(ctx.subject))),
q:(ctx:Context)=>!(this.permits['p'](ctx))}}`),
    ).toBe(`import {A} from 'x';   export class User implements Namespace {};;
class D implements Namespace {
  related: {
    a: User[]
    b: User[]

    "class": (User | SubjectSet<User, "x y"> | SubjectSet<D, "a">)[]
  }

  permits = {
    p: (ctx: Context): boolean => this.related.a.includes(ctx.subject),
    q: (ctx: Context): boolean => !(this.permits.p(ctx)),
  }
}
`);
  });
  it('keeps comments where they are', () => {
    const source = `// head
import 'x' // import

/** doc */
class D implements Namespace { // class
  // first

  // second
  related: {
    // a is
    a: D[] // trailing
    /* b is */ b: (
      // first of
      A | // A
      SubjectSet<D, "a"> /* D */ |
      /* odd */ B
    )[]
    // last
  }

  permits = { // permits
    p: (ctx: Context): boolean =>
      // either
      this.related.a.includes(ctx.subject) || // or
      // group
      (
        // inner
        this.related.b.includes(ctx.subject) &&
        /* through */ this.related.a.traverse((x) =>
          // x is
          x.permits.p(ctx)
        )
      ),

    // end of permits
  }
  // end of class
} // end

// tail
`;
    const once = formatModel(source);
    expect(once.replaceAll(/\s+/g, ' ')).toContain('A | // A');
    expect(formatModel(once)).toBe(once);
    // Only the comment that stood before an operator is elsewhere.
    expect(once).toBe(
      source.replace(
        'SubjectSet<D, "a"> /* D */ |\n      /* odd */ B',
        'SubjectSet<D, "a"> | /* D */\n      /* odd */ B',
      ),
    );
  });
  it('breaks what is longer than a line', () => {
    const a = `this.related.${'a'.repeat(30)}.includes(ctx.subject)`;
    const source = `class D implements Namespace { related: { ${'a'.repeat(30)}: D[], b: (${'D|'.repeat(40)}D)[] } permits = {
      p: (ctx) => !(${a} && ${a}) || (${a} || ${a} && ${a}) && this.related.b.traverse(x => x.permits.p(ctx)),
    } }`;
    const formatted = formatModel(source);
    for (const line of formatted.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    expect(formatModel(formatted)).toBe(formatted);
  });
  it('refuses what has a syntax error, at its place, and nothing else', () => {
    expect(() => formatModel('class A\n  extends B {}')).toThrow(
      expect.objectContaining({ code: 'invalid', facts: { line: 2, column: 3 } }),
    );
    expect(formatModel('class A implements Namespace { related: { a: Nobody[] } }')).toContain(
      'Nobody[]',
    );
    expect(formatModel(' \n')).toBe('');
  });
  it.each(readdirSync(folder).sort())('keeps the meaning of %s of the corpus', (file) => {
    const source = readFileSync(new URL(file, folder), 'utf8');
    if (/^(lexer|syntax)_/.test(file)) {
      expect(() => formatModel(source)).toThrow(expect.objectContaining({ code: 'invalid' }));
      return;
    }
    const formatted = formatModel(source);
    expect(formatModel(formatted)).toBe(formatted);
    const [before, after] = [compileModel(source), compileModel(formatted)];
    expect(after.model).toEqual(before.model);
    expect(after.problems.map((p) => p.message)).toEqual(before.problems.map((p) => p.message));
  });
});
