import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import type { JsonObject } from '../account.ts';
import { parseTemplate } from './go-template.ts';

const DATA: JsonObject = {
  To: 'ada@example.com',
  Code: '123456',
  Empty: '',
  Minutes: 60,
  URL: 'https://x.test/recovery?flow=1&token=a%20b',
  Identity: {
    traits: { email: 'ada@example.com', name: { first: '<b>Ada</b>' }, tags: ['a', 'b'] },
  },
  Nothing: null,
};
const fields = Object.keys(DATA);

const fill = (source: string, isHtml = false, data: JsonObject = DATA): string =>
  parseTemplate('t', [{ name: 't', source }], { isHtml }).render(data);
const refusal = (source: string, isHtml = false): string => {
  try {
    parseTemplate('t', [{ name: 't', source }], { isHtml, fields }).render(DATA);
    return 'accepted';
  } catch (reason) {
    if (!(reason instanceof PosternError)) throw reason;
    return `${reason.code} ${reason.message}`;
  }
};

describe('what a template writes', () => {
  it.each([
    ['Code {{ .Code }}.', 'Code 123456.'],
    ['{{.Identity.traits.email}}', 'ada@example.com'],
    ['{{ .Identity.traits.absent.deeper }}{{ .Nothing }}', ''],
    ['a \n {{- " b " -}} \n c', 'a b c'],
    ['a{{/* gone */}}b {{- /* and\nthis */ -}} c', 'abc'],
    ['{{ if .Empty }}1{{ else if eq .Code "123456" }}2{{ else }}3{{ end }}', '2'],
    ['{{ if not .Empty }}x{{ end }}{{ if and .Code .Empty }}y{{ end }}', 'x'],
    ['{{ if or .Empty (gt .Minutes 59) }}x{{ end }}', 'x'],
    ['{{ if ne .Code "1" }}x{{ end }}{{ if eq .Code "1" "123456" }}y{{ end }}', 'xy'],
    ['{{ and .Nothing .Code }}|{{ or .Nothing .Code }}|{{ or .Empty .Nothing }}', '|123456|'],
    ['{{ with .Identity.traits }}{{ .email }} {{ $.Code }}{{ end }}', 'ada@example.com 123456'],
    ['{{ with .Empty }}x{{ else with .Code }}{{ . }}{{ else }}z{{ end }}', '123456'],
    ['{{ range .Identity.traits.tags }}<{{ . }}>{{ end }}', '<a><b>'],
    ['{{ range $i, $t := .Identity.traits.tags }}{{ $i }}{{ $t }}{{ end }}', '0a1b'],
    ['{{ range $k, $v := .Identity.traits.name }}{{ $k }}{{ end }}', 'first'],
    ['{{ range .Nothing }}x{{ else }}none{{ end }}', 'none'],
    ['{{ $n := "a" }}{{ if .Code }}{{ $n = "b" }}{{ end }}{{ $n }}', 'b'],
    [
      '{{ define "x" }}[{{ .email }}]{{ end }}{{ template "x" .Identity.traits }}',
      '[ada@example.com]',
    ],
    ['{{ block "b" .Code }}({{ . }}){{ end }}', '(123456)'],
    ['{{ .Code | printf "%s-%d%%%s" "a" 5 | printf "%q" }}', '"a-5%123456"'],
    ['{{ printf "%s has %05.1f and %-3d|%v" .Code 2.25 7 true }}', '123456 has 002.3 and 7  |true'],
    ['{{ len .Identity.traits.tags }}{{ len "é" }}{{ index .Identity.traits.tags 1 }}', '22b'],
    ['{{ index .Identity "traits" "email" | upper }}', 'ADA@EXAMPLE.COM'],
    ['{{ .Empty | default "friend" }}{{ default "x" .Code }}', 'friend123456'],
    ['{{ (index .Identity "traits").email | trim | lower }}', 'ada@example.com'],
    ['{{ `raw "text"` }}{{ "a\\tb\\u00e9" }}', 'raw "text"a\tbé'],
    ['{{ .Identity.traits.tags }} {{ .Identity.traits.name }}', '[a b] map[first:<b>Ada</b>]'],
    ['{{ "}}" }}', '}}'],
  ])('%s', (source, expected) => {
    expect(fill(source)).toBe(expected);
  });

  it('sees own properties alone', () => {
    const data: JsonObject = JSON.parse('{"__proto__":"mine","Identity":{}}');
    expect(fill('{{ .__proto__ }}{{ .constructor }}{{ .Identity.toString }}', false, data)).toBe(
      'mine',
    );
    expect(fill('{{ index .Identity "constructor" }}', false, data)).toBe('');
  });

  it('sees the definitions of other files, a later one winning', () => {
    const sources = [
      { name: 'en', source: '{{ define "hi" }}Hello{{ end }}' },
      { name: 't', source: '{{ template "hi" . }} {{ .Code }}' },
      { name: 'af', source: '{{ define "hi" }}Hallo{{ end }}' },
    ];
    expect(parseTemplate('t', sources, { isHtml: false }).render(DATA)).toBe('Hallo 123456');
  });
});

describe('values in HTML', () => {
  it('are escaped for the place that they stand in', () => {
    const first = '{{ .Identity.traits.name.first }}';
    expect(fill(`<p title="${first}">${first}</p><!-- ${first} -->`, true)).toBe(
      '<p title="&lt;b&gt;Ada&lt;/b&gt;">&lt;b&gt;Ada&lt;/b&gt;</p><!-- &lt;b&gt;Ada&lt;/b&gt; -->',
    );
    expect(fill('<a href="{{ .URL }}">{{ .URL }}</a>', true)).toBe(
      '<a href="https://x.test/recovery?flow=1&amp;token=a%20b">https://x.test/recovery?flow=1&amp;token=a%20b</a>',
    );
    expect(fill("<a href='https://x.test/?q={{ .URL }}'>", true)).toContain(
      'q=https%3A%2F%2Fx.test%2Frecovery%3Fflow%3D1%26token%3Da%2520b',
    );
  });

  it.each([
    'javascript:alert(1)',
    ' JavaScript:x',
    'java\nscript:x',
    'data:text/html,x',
    'vbscript:x',
  ])('never make a link of %j', (URL) => {
    expect(fill('<a href="{{ .URL }}">', true, { URL })).toBe('<a href="#">');
    const halves = { A: URL.slice(0, 4), B: URL.slice(4) };
    expect(fill('<a href="{{ .A }}{{ .B }}">', true, halves)).not.toMatch(/href="[^"]*:/u);
  });

  it.each([
    ['<script>var a = "{{ .Code }}"</script>', 'within <script>'],
    ['<style>a { color: {{ .Code }} }</style>', 'within <style>'],
    ['<p onclick="{{ .Code }}">', 'attribute onclick'],
    ['<p style="{{ .Code }}">', 'attribute style'],
    ['<p title={{ .Code }}>', 'quotes around'],
    ['<p {{ .Code }}>', 'within a tag'],
    ['<{{ .Code }}>x', 'within a tag'],
    ['<!--x--{{/* split */}}><script>{{ .Code }}</script>', 'within <script>'],
    ['<!--><script>{{ .Code }}</script>', 'within <script>'],
    ['<!-{{/* split */}}- <p {{ .Code }} -->', 'accepted'],
    ['<script></scr{{/* split */}}ipt><p>{{ .Code }}', 'accepted'],
    ['<{{/* split */}}script>{{ .Code }}', 'within <script>'],
    ['<p title="{{ if .Code }}">{{ end }}', 'different places'],
    ['<p title="x', 'ends within a tag'],
    ['{{ define "x" }}{{ .Code }}{{ end }}<p {{ template "x" . }}>', 'within a tag'],
  ])('%s is refused when loaded, unless it is text', (source, words) => {
    expect(refusal(source, true)).toContain(words);
  });

  it('are fine after a script, a style and a comment of Outlook', () => {
    const source =
      '<style>p > a { }</style><script>if (1 < 2) "</p>"</script><!--[if mso]><td width="{{ .Minutes }}"><![endif]--><b>{{ .Code }}</b>';
    expect(fill(source, true)).toContain('<b>123456</b>');
  });

  it('can never add a tag or leave an attribute', () => {
    const source =
      '<p title="{{ .A }}" class=\'{{ .A }}\'>{{ .A }}<a href="{{ .A }}">{{ .A }}</a><!-- -{{ .A }}> --></p>';
    const shape = fill(source, true, { A: '' }).replace(/[^<>"']/gu, '');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (A) => {
        expect(fill(source, true, { A }).replace(/[^<>"']/gu, '')).toBe(shape);
      }),
    );
  });
});

describe('what is refused, with its line', () => {
  it.each([
    ['\n\n{{ .Cod }}', 't:3: This message has no .Cod'],
    ['{{ with .Identity }}{{ .Anything }}{{ $.Cod }}{{ end }}', 'no .Cod'],
    ['{{ define "x" }}{{ .Cod }}{{ end }}{{ template "x" . }}', 'no .Cod'],
    ['a\n{{ nosuch .Code }}', 't:2: The function "nosuch" is not known'],
    ['{{ env "HOME" }}', 'not known'],
    ['{{ template "x" . }}', 'no template "x"'],
    ['{{ if .Code }}', 'never ended'],
    ['{{ end }}', 'without a beginning'],
    ['{{ if .Code }}{{ else }}{{ else }}{{ end }}', 'second {{ else }}'],
    ['{{ .Code', 'never closed'],
    ['{{ "abc }}', 'not understood'],
    ['{{ }}', 'empty'],
    ['{{/* x', 'comment'],
    ['{{ $x }}', '$x is not declared'],
    ['{{ if .Code }}{{ $x := 1 }}{{ end }}{{ $x }}', '$x is not declared'],
    ['{{ .Code .Empty }}', 'takes no arguments'],
    ['{{ .Code | .Empty }}', 'Only a function'],
    ['{{ eq .Code }}', 'does not take 1 argument'],
    ['{{ printf "%z" .Code }}', 'does not know "%z"'],
    ['{{ printf "%s" }}', 'no value'],
    ['{{ range .Code }}{{ end }}', 'range needs'],
    ['{{ index .Identity.traits.tags 7 }}', 'outside of the list'],
    ['{{ .Code.deeper }}', 'no fields'],
    ['{{ range .Identity }}{{ break }}{{ end }}', 'not supported'],
    ['{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}', 'too deeply'],
    ['{{ if .Code }}{{ define "x" }}{{ end }}{{ end }}', 'must not stand within'],
  ])('%j', (source, words) => {
    expect(refusal(source)).toMatch(/^invalid t:\d+: /u);
    expect(refusal(source)).toContain(words);
  });
});

it.each([
  ['blocks', `${'{{ if .Code }}'.repeat(200)}${'{{ end }}'.repeat(200)}`, 'nested too deeply'],
  ['parentheses', `{{ ${'('.repeat(200)}.Code${')'.repeat(200)} }}`, 'nested too deeply'],
  ['a long text', 'x'.repeat(300_000), 'characters'],
])('refuses too much of %s', (_what, source, words) => {
  expect(refusal(source)).toContain(words);
});

describe('hostile templates and data', () => {
  const parts = fc.constantFrom(
    ...['{{', '}}', '{{-', '-}}', ' ', '\n', '.A', '.', '$', '$x', ':=', '=', '|', '(', ')', ','],
    ...['if', 'else', 'end', 'range', 'with', 'define', 'template', 'block', '"x"', '`', '"', '\\'],
    ...['print', 'eq', 'index', 'printf', '"%s"', '1', '-1', '1e9', '/*', '*/', 'nil', 'true'],
    ...['<', '>', '<a href="', "'", '<!--', '-->', '<script>', '</script>', '=', '/', '\0'],
  );
  const values = fc.object({ maxDepth: 3 }).map(
    (made): JsonObject => ({
      ...JSON.parse(JSON.stringify(made)),
      A: JSON.parse(JSON.stringify(made)),
    }),
  );

  it('end in a text or in a clear error, always', () => {
    const sources = fc.oneof(
      fc.array(parts, { maxLength: 60 }).map((list) => list.join('')),
      fc
        .array(fc.array(parts, { maxLength: 5 }), { maxLength: 12 })
        .map((list) => list.map((inner) => `{{ ${inner.join(' ')} }}`).join('text')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(sources, values, fc.boolean(), (source, data, isHtml) => {
        try {
          expect(typeof fill(source, isHtml, data)).toBe('string');
        } catch (reason) {
          expect(reason).toMatchObject({ code: 'invalid' });
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('are stopped soon, however much they ask for', () => {
    const list = Array.from({ length: 1_000 }, () => 'x');
    const doubling = '{{ $x := "aaaa" }}{{ range .L }}{{ $x = print $x $x }}{{ end }}{{ $x }}';
    const nested = '{{ range .L }}{{ range $.L }}{{ range $.L }}x{{ end }}{{ end }}{{ end }}';
    // The processor's time: who else is busy on the machine does not count.
    const started = process.cpuUsage();
    for (const source of [doubling, nested, `${'{{ range .L }}{{ $.L }}'}{{ end }}`.repeat(50)])
      expect(() => fill(source, true, { L: list })).toThrow(/too/u);
    for (const filler of [
      '{{',
      ' {{-',
      '"',
      '{{ "',
      '{{/*',
      '<',
      '<a ',
      '<a x="',
      '<!--',
      '\n{{- "" -}}\n',
    ])
      try {
        fill(filler.repeat(Math.floor(250_000 / filler.length)), true);
      } catch (reason) {
        expect(reason).toMatchObject({ code: 'invalid' });
      }
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1_000).toBeLessThan(5_000);
  });
});
