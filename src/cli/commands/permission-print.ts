/** How answers about permissions read: tuples in a table, trees of expand and explain. Never asks anything. */
import { printSubject } from '../../permissions/light.ts';
import { field, list, text } from '../json.ts';
import { paint, table } from '../output.ts';
import { subjectOfJson } from './permission-words.ts';

/** The subject of a tuple in JSON. */
export function shownSubject(tuple: unknown): string {
  const subject = subjectOfJson(tuple);
  return subject === undefined ? '' : printSubject(subject);
}

/** A tuple of JSON in the text notation. */
export function shownTuple(tuple: unknown): string {
  const expiry = text(tuple, 'expires_at');
  const place = `${text(tuple, 'namespace')}:${text(tuple, 'object')}#${text(tuple, 'relation')}`;
  return `${place}@${shownSubject(tuple)}${expiry === '' ? '' : ` until ${expiry}`}`;
}

/** A table of tuples, with Keto's headings. */
export function tupleTable(tuples: readonly unknown[], empty: string): string {
  return table(
    ['NAMESPACE', 'OBJECT', 'RELATION NAME', 'SUBJECT'],
    tuples.map((t) => [
      text(t, 'namespace'),
      text(t, 'object'),
      text(t, 'relation'),
      shownSubject(t),
    ]),
    empty,
  );
}

interface Look {
  readonly label: (node: unknown) => string;
  readonly children: (node: unknown) => readonly unknown[];
}

/** Deeper than that nobody reads, and the lines would be longer than the text. */
const LEVELS_MAX = 60;

/** Draws a tree with lines, without recursion: folders nest deeper than the stack. */
function draw(root: unknown, look: Look): string {
  const lines: string[] = [];
  const rest = [{ node: root, lead: '', indent: '', level: 0 }];
  for (let top = rest.pop(); top !== undefined; top = rest.pop()) {
    const { node, lead, indent, level } = top;
    lines.push(lead + look.label(node));
    const children = [...look.children(node)].reverse();
    if (level === LEVELS_MAX && children.length > 0) {
      lines.push(`${indent}└─ … deeper; --output json shows all`);
      continue;
    }
    for (const [i, child] of children.entries())
      rest.push({
        node: child,
        lead: `${indent}${i === 0 ? '└─ ' : '├─ '}`,
        indent: `${indent}${i === 0 ? '   ' : '│  '}`,
        level: level + 1,
      });
  }
  return lines.join('\n');
}

const childrenOf = (node: unknown): readonly unknown[] => list(field(node, 'children'));

const CUT_OFF: ReadonlyMap<string, string> = new Map([
  ['depth', 'more below: --max-depth'],
  ['size', 'more than is shown'],
  ['cycle', 'shown above'],
]);

/** The tree of an expand, as Keto's JSON has it; a node that stands for more than is shown says why. */
export function expandText(tree: unknown): string {
  const label = (node: unknown): string => {
    const subject = shownSubject(field(node, 'tuple'));
    const type = text(node, 'type');
    const shown = type === 'leaf' ? subject : `${paint('dim', type)} ${subject}`;
    const why = CUT_OFF.get(text(node, 'truncated'));
    const more = why === undefined ? '' : `  ${paint('dim', `(${why})`)}`;
    return (subject === '' ? type : shown) + more;
  };
  return draw(tree, { label, children: childrenOf });
}

const WORDS = { relation: '', computed: '', or: 'any of', and: 'all of', not: 'not', traverse: '' };

/** What a node of a trace is, as the API says it or as the engine does, whose traces test worlds show. */
const kindOf = (node: unknown): string => text(node, 'type') || text(node, 'kind');

function traceLabel(node: unknown): string {
  const kind = kindOf(node);
  const allowed = field(node, 'allowed');
  const mark =
    allowed === true
      ? paint('green', '✔')
      : allowed === false
        ? paint('red', '✘')
        : paint('yellow', '?');
  const word = Object.entries(WORDS).find(([k]) => k === kind)?.[1] ?? kind;
  const place = `${text(node, 'namespace')}:${text(node, 'object')}#${text(node, 'relation')}`;
  const what = word === '' ? place : word;
  const over = kind === 'traverse' ? `each of ${place}` : what;
  const stored = storedOf(node);
  const notes = [
    stored === '' ? '' : `stored: ${stored}`,
    field(node, 'repeated') === true || field(node, 'isRepeated') === true ? 'shown above' : '',
    allowed === undefined || allowed === null ? 'not known' : '',
  ].filter((note) => note !== '');
  return `${mark} ${over}${notes.length === 0 ? '' : `  ${paint('dim', notes.join(', '))}`}`;
}

/** Who was found stored, as the API gives it (`subject_id`, `subject_set`) or as the engine does (`id`, `set`). */
function storedOf(node: unknown): string {
  const stored = field(node, 'stored');
  const ours = {
    subject_id: field(stored, 'subject_id') ?? field(stored, 'id'),
    subject_set: field(stored, 'subject_set') ?? field(stored, 'set'),
  };
  return shownSubject(ours);
}

/** The trace of a check: what was asked, what each answer was and which tuple decided. */
export function traceText(trace: unknown): string {
  // A computed relation is a step without a choice: its one question says it all.
  const shown = (node: unknown): unknown => {
    const children = childrenOf(node);
    return kindOf(node) === 'computed' && children.length === 1 ? children[0] : node;
  };
  return draw(shown(trace), {
    label: traceLabel,
    children: (node) => childrenOf(node).map(shown),
  });
}
