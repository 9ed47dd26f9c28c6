/**
 * Models of the time before the permission language: a list of namespace names, whose relations are open. It must never
 * read files; which formats such lists come in is for the configuration to know.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Model } from '../model.ts';
import { checkName } from '../tuple.ts';

/**
 * The model of a list of names, in which every relation name is accepted and nothing is computed. A name that is listed
 * twice counts once. Throws `invalid` for an empty name and for one that no tuple can carry.
 */
export function modelOfNames(names: readonly string[]): Model {
  for (const name of names) {
    if (name === '') throw new PosternError('invalid', 'The name of a namespace is empty');
    checkName('name of a namespace', name);
  }
  return { namespaces: new Map(names.map((name) => [name, { name, relations: new Map() }])) };
}

/** The names of a source with one name a line; lines are trimmed, empty ones skipped. */
export function namesOfSource(source: string): readonly string[] {
  return source
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
