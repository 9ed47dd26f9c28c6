/**
 * Runs every transcript of this folder against the real program: one server, homes of their own. Standard input is
 * empty, so that nothing can wait for an answer; `postern` and `ockam` are on the PATH.
 */
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execute, type Outcome, PROGRAM, ROOT, World } from '../harness/postern.ts';
import { linePattern, mismatch, parseTranscript, type Step } from './transcript.ts';

/** How long a `?` step may take; what it waits for is promised within 5 s. */
const PATIENCE_MS = 15_000;
const POLL_MS = 100;

const world = new World();
const bin = join(world.folder, 'bin');
const work = join(world.folder, 'work');

/** Serves the files of `work`, for commands that take a URL; `FILES` is its address. */
const files = createServer((request, response) => {
  try {
    response.end(readFileSync(join(work, basename(request.url ?? ''))));
  } catch {
    response.writeHead(404).end();
  }
});

beforeAll(async () => {
  mkdirSync(bin);
  mkdirSync(work);
  files.listen(0, '127.0.0.1');
  await once(files, 'listening');
  for (const name of ['postern', 'ockam', 'keto']) symlinkSync(PROGRAM, join(bin, name));
  await world.startServer();
});
afterAll(() => {
  files.close();
  return world.close();
});

function filesAddress(): string {
  const address = files.address();
  return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : '';
}

function run(step: Step, variables: Readonly<Record<string, string>>): Promise<Outcome> {
  const env = world.env(step.home, {
    ...variables,
    PATH: `${bin}:${process.env['PATH']}`,
    NODE: process.execPath,
    WORK: work,
    FILES: filesAddress(),
  });
  const quoted = `'${step.command.replaceAll("'", `'\\''`)} 2>/dev/null'`;
  return step.mode === 'terminal'
    ? execute('sh', ['-c', `script -qec ${quoted} /dev/null </dev/null`], env)
    : execute('sh', ['-c', step.command], env);
}

const linesOf = (text: string): string[] =>
  text
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => line !== '');

/** What is wrong with an outcome; undefined when it is as expected. */
function complaint(
  step: Step,
  outcome: Outcome,
  variables: Readonly<Record<string, string>>,
): string | undefined {
  const { code, stdout, stderr } = outcome;
  if (code !== step.code) return `exit ${step.code}, and it is ${code}: ${stderr}`;
  if (step.keepAs !== undefined) return undefined;
  const missing = step.stderr.find(
    (line) => !linesOf(stderr).some((l) => linePattern(line, variables).test(l.trim())),
  );
  if (missing !== undefined) return `on standard error "${missing}", and there is: ${stderr}`;
  return mismatch(step.stdout, linesOf(stdout), variables);
}

async function perform(step: Step, variables: Record<string, string>): Promise<void> {
  const endMs = Date.now() + (step.mode === 'eventually' ? PATIENCE_MS : 0);
  for (;;) {
    const outcome = await run(step, variables);
    const wrong = complaint(step, outcome, variables);
    if (wrong === undefined) {
      if (step.keepAs !== undefined) variables[step.keepAs] = outcome.stdout;
      return;
    }
    if (Date.now() >= endMs)
      expect.fail(`line ${step.lineNumber}: ${step.home}$ ${step.command}\nexpected ${wrong}`);
    await sleep(POLL_MS);
  }
}

const transcripts = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.txt'));
describe.each(transcripts.toSorted())('%s', (file) => {
  const variables: Record<string, string> = {};
  for (const { title, steps } of parseTranscript(
    readFileSync(join(import.meta.dirname, file), 'utf8'),
  ))
    it(title, async () => {
      for (const step of steps) await perform(step, variables);
    });
});

describe('docs/switching/ockam.md', () => {
  const page = readFileSync(join(ROOT, 'docs/switching/ockam.md'), 'utf8');
  const titles = transcripts
    .flatMap((file) => parseTranscript(readFileSync(join(import.meta.dirname, file), 'utf8')))
    .map((section) => section.title)
    .toSorted((a, b) => b.length - a.length);
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (---|command \||rule \|)/.test(line));

  it('names in every row a test that there is', () => {
    for (const row of rows) {
      const cell = row.split('|').at(-2)?.trim() ?? '';
      const left = titles.reduce((text, title) => text.replace(title, ''), cell);
      expect(left.replaceAll(';', '').trim(), row).toBe('');
      expect(cell, row).not.toBe('');
    }
  });
});
