/**
 * Reads transcripts: commands with what they must print, one behaviour a section. The format, line by line:
 *
 *   == title              begins a section, which is one test
 *   home$ command         runs a shell command with that home; standard output must be the lines that follow
 *   home% command         the same with standard output on a terminal
 *   home? command         runs it again and again until it prints what follows, for at most PATIENCE_MS
 *   NAME <- home$ command keeps the standard output in a variable for the commands after it
 *   ! text                a line that standard error must hold (without any such line, standard error is not looked at)
 *   exit N                the exit code, when it is not 0
 *   # text                a remark
 *
 * Empty lines count nowhere. In expected lines `<id>` is an identifier, `<uuid>`, `<hex>`, `<num>`, `<port>` and `<word>` are what they say,
 * `<…>` is anything on the line, and a line of `…` alone stands for any number of lines.
 */

export interface Step {
  readonly lineNumber: number;
  readonly home: string;
  readonly mode: 'pipe' | 'terminal' | 'eventually';
  readonly command: string;
  readonly keepAs: string | undefined;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly code: number;
}
export interface Section {
  readonly title: string;
  readonly steps: readonly Step[];
}

const MODES = { $: 'pipe', '%': 'terminal', '?': 'eventually' } as const;
const COMMAND = /^(?:([A-Z_]+) <- )?([a-z][a-z0-9-]*)([$%?]) (.+)$/;

/** Parses a transcript. Throws with the line that can't be read. */
export function parseTranscript(text: string): Section[] {
  const sections: { title: string; steps: Step[] }[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.startsWith('# ') || line === '') continue;
    const section = sections.at(-1);
    if (line.startsWith('== ')) {
      sections.push({ title: line.slice(3), steps: [] });
      continue;
    }
    if (section === undefined) throw new Error(`line ${i + 1} stands before the first title`);
    const [, keepAs, home, sign, command] = COMMAND.exec(line) ?? [];
    if (
      home !== undefined &&
      command !== undefined &&
      (sign === '$' || sign === '%' || sign === '?')
    )
      section.steps.push({
        ...{ lineNumber: i + 1, home, mode: MODES[sign], command, keepAs },
        ...{ stdout: [], stderr: [], code: 0 },
      });
    else section.steps.push(withExpectation(section.steps.pop(), line, i + 1));
  }
  return sections;
}

function withExpectation(step: Step | undefined, line: string, lineNumber: number): Step {
  if (step === undefined) throw new Error(`line ${lineNumber} expects something of no command`);
  if (line.startsWith('! ')) return { ...step, stderr: [...step.stderr, line.slice(2)] };
  const code = /^exit (\d+)$/.exec(line)?.[1];
  if (code !== undefined) return { ...step, code: Number(code) };
  return { ...step, stdout: [...step.stdout, line] };
}

const WILDCARDS: Readonly<Record<string, string>> = {
  '<id>': 'I[0-9a-f]{64}',
  '<uuid>': '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  '<hex>': '[0-9a-f]+',
  '<num>': '\\d+',
  '<port>': '\\d{1,5}',
  '<word>': '[a-z]+-[a-z]+',
  '<…>': '.*',
};

/** The pattern of one expected line; variables such as `$ID` are filled in first. */
export function linePattern(line: string, variables: Readonly<Record<string, string>>): RegExp {
  const filled = line.replace(/\$([A-Z_]+)/g, (all, name: string) => variables[name] ?? all);
  const parts = filled.split(/(<(?:id|uuid|hex|num|port|word|…)>)/);
  const source = parts.map((p) => WILDCARDS[p] ?? p.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${source.join('')}$`);
}

/** Says what is wrong with an output; undefined when it is as expected. */
export function mismatch(
  expected: readonly string[],
  actual: readonly string[],
  variables: Readonly<Record<string, string>>,
): string | undefined {
  const [line, ...rest] = expected;
  if (line === undefined)
    return actual.length === 0 ? undefined : `nothing more, and there is: ${actual.join('\n')}`;
  if (line === '…') {
    for (let skip = 0; skip <= actual.length; skip++)
      if (mismatch(rest, actual.slice(skip), variables) === undefined) return undefined;
    return `…, then ${rest.join('\n')}`;
  }
  const [first, ...others] = actual;
  if (first === undefined || !linePattern(line, variables).test(first))
    return `"${line}", and there is: ${first === undefined ? 'nothing' : actual.join('\n')}`;
  return mismatch(rest, others, variables);
}
