/** `permission`: who may do what with which object, by relation tuples and a model. */
import type { Command } from 'commander';
import { define, family } from '../command.ts';
import { field, text } from '../json.ts';
import { type Result, shorten, status } from '../output.ts';
import { permissionServer, serverOptions } from '../permission-client.ts';
import { registerModel } from './permission-model.ts';
import { registerQuestions } from './permission-questions.ts';
import { registerTest } from './permission-test.ts';
import { registerTuples } from './permission-tuples.ts';

/** Adds the family. */
export function register(program: Command): void {
  const permission = family(program, 'permission', 'Who may do what with which object', [
    'permission model apply model.opl',
    'permission create User:ann viewers Doc:readme',
    'permission check User:ann view Doc:readme',
  ]);
  registerQuestions(permission);
  registerTuples(permission);
  registerModel(permission);
  registerTest(permission);
  define(permission, 'status', 'What the server holds: model, tuples, memory', {
    options: serverOptions,
    run: async ({ flags }) =>
      statusResult(await permissionServer(flags).manage('GET', '/permission-status')),
  });
}

const MEBIBYTE = 1024 * 1024;
const HOUR_MS = 3_600_000;

function statusResult(answer: unknown): Result {
  const number = (name: string): number => {
    const value = field(answer, name);
    return typeof value === 'number' ? value : 0;
  };
  const model = text(answer, 'model_id');
  const memory = `${mebibytes(number('memory_bytes'))} of ${mebibytes(number('memory_budget_bytes'))}`;
  return {
    plain: [
      `${status(model === '' ? 'no model' : 'ok')}  revision ${text(answer, 'revision')}`,
      `  model    ${model === '' ? 'none; apply one: postern permission model apply FILE' : shorten(model)}`,
      `  tuples   ${text(answer, 'tuples')}, ${text(answer, 'stored_versions')} with those of the past ${Math.round(number('history_window_ms') / HOUR_MS)} h`,
      `  memory   ${memory}`,
    ].join('\n'),
    json: answer,
  };
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / MEBIBYTE)} MiB`;
