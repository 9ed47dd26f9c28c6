/** `permission model check|apply|show|list|fmt` and `permission test`: models and what they must answer. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { loadLanguage, type Problem } from '../../permissions/light.ts';
import { define, type Flags, family } from '../command.ts';
import { usageError } from '../exit.ts';
import { field, list, text } from '../json.ts';
import { paint, type Result, relativeTime, table } from '../output.ts';
import { ModelRefused, permissionServer, serverOptions } from '../permission-client.ts';
import { readSource } from '../source-file.ts';
import { done, next, note } from '../talk.ts';

const KINDS: ReadonlySet<string> = new Set(['opl', 'names']);

/** A problem as compilers say it: file, line, column. */
export function problemLine(file: string, problem: unknown): string {
  const start = field(problem, 'start');
  const severity = text(problem, 'severity') || 'error';
  const word = paint(severity === 'error' ? 'red' : 'yellow', severity, 'err');
  return `${file}:${text(start, 'line')}:${text(start, 'column')}: ${word}: ${text(problem, 'message')}`;
}

/** Adds the commands. */
export function registerModel(permission: Command): void {
  const model = family(permission, 'model', 'The models of permissions', [
    'permission model check model.opl',
    'permission model apply model.opl',
  ]);

  define(model, 'check <files...>', 'Find what is wrong with models, without a server', {
    examples: ['permission model check model.opl'],
    run: ({ args }) => checkModels(args),
  });

  define(model, 'fmt <files...>', 'Format models in place, without a server', {
    options: [
      ['--check', 'change nothing; fail when a file is not formatted'],
      ['--stdout', 'print the formatted model instead'],
    ],
    examples: ['permission model fmt model.opl', 'permission model fmt - < model.opl'],
    run: ({ args, flags }) => formatModels(args, flags),
  });

  define(model, 'apply <file>', 'Make a model the current one', {
    options: [
      ['--kind <kind>', 'opl, or names: namespaces without relations, one a line'],
      ...serverOptions,
    ],
    examples: ['permission model apply model.opl'],
    run: ({ args, flags }) => applyModel(args[0] ?? '', flags),
  });

  define(model, 'show [id]', 'Show a model: the current one, or that of an id', {
    options: serverOptions,
    run: async ({ args, flags }) => {
      const id = args[0] === undefined ? 'current' : encodeURIComponent(args[0]);
      const answer = await permissionServer(flags).manage('GET', `/permission-models/${id}`);
      const source = text(answer, 'source').replace(/\n$/, '');
      return { plain: source, machine: source, json: answer };
    },
  });

  define(model, 'list', 'The versions of the model, newest first', {
    options: serverOptions,
    run: async ({ flags }) => {
      const answer = await permissionServer(flags).manage('GET', '/permission-models');
      const rows = Array.isArray(answer) ? list(answer) : list(field(answer, 'models'));
      const nowMs = Date.now();
      return {
        plain: table(
          ['ID', 'KIND', 'CREATED', 'BY'],
          rows.map((r) => {
            const atMs = Date.parse(text(r, 'created_at'));
            const created = Number.isNaN(atMs) ? '' : relativeTime(atMs, nowMs);
            return [text(r, 'id'), text(r, 'kind'), created, text(r, 'created_by')];
          }),
          'There is no model yet. Apply one: postern permission model apply FILE',
        ),
        json: rows,
      };
    },
  });
}

async function checkModels(files: readonly string[]): Promise<Result> {
  const { compileModel } = await loadLanguage();
  const found: { file: string; problem: Problem }[] = [];
  for (const file of files)
    for (const problem of compileModel(readSource(file)).problems) found.push({ file, problem });
  for (const { file, problem } of found) note(problemLine(file, problem));
  const errors = found.filter(({ problem }) => problem.severity === 'error').length;
  if (errors > 0)
    throw new PosternError(
      'invalid',
      `${errors} ${errors === 1 ? 'error' : 'errors'} in the model`,
    );
  const warnings = found.length === 0 ? '' : `, with ${found.length} to look at`;
  const said = `${files.join(', ')}: valid${warnings}`;
  return {
    plain: said,
    machine: 'valid',
    json: { valid: true, problems: found.map(({ file, problem }) => ({ file, ...problem })) },
  };
}

async function formatModels(files: readonly string[], flags: Flags): Promise<Result | undefined> {
  const { formatModel } = await loadLanguage();
  const isPrinted = flags.has('stdout') || files.includes('-');
  if (isPrinted && files.length > 1) throw usageError('Only one model can be printed');
  const changed: string[] = [];
  for (const file of files) {
    const source = readSource(file);
    const formatted = formatModel(source);
    if (isPrinted) {
      const whole = formatted.replace(/\n$/, '');
      return { machine: whole, plain: whole, json: { source: formatted } };
    }
    if (formatted === source) continue;
    changed.push(file);
    if (!flags.has('check')) writeFileSync(file, formatted);
  }
  if (flags.has('check') && changed.length > 0)
    throw new PosternError('invalid', `Not formatted: ${changed.join(', ')}`, {
      hint: `postern permission model fmt ${changed.join(' ')}`,
    });
  done(changed.length === 0 ? 'Nothing to format' : `${changed.join(', ')} formatted`);
  return { machine: changed.join('\n'), plain: '', json: { formatted: changed } };
}

async function applyModel(file: string, flags: Flags): Promise<Result> {
  const kind = flags.text('kind') ?? 'opl';
  if (!KINDS.has(kind)) throw usageError(`--kind "${kind}" is not known; write opl or names`);
  const body = { source: readSource(file), kind };
  try {
    const version = await permissionServer(flags).manage('POST', '/permission-models', { body });
    const id = text(version, 'id');
    done(`Model ${id} is the current one`);
    next('postern permission check SUBJECT RELATION NAMESPACE:OBJECT');
    return { machine: id, json: version };
  } catch (error) {
    if (error instanceof ModelRefused)
      for (const problem of list(error.problems)) note(problemLine(file, problem));
    throw error;
  }
}
