import { describe, expect, it } from 'vitest';
import { checkRelation, getNamespace } from '../model.ts';
import { modelOfNames, namesOfSource } from './names.ts';

describe('a list of names', () => {
  it('makes namespaces that accept any relation', () => {
    const model = modelOfNames(['app', '__proto__', 'app', 'a b']);
    expect([...model.namespaces.keys()]).toEqual(['app', '__proto__', 'a b']);
    expect(() => checkRelation(getNamespace(model, 'app'), 'read')).not.toThrow();
  });
  it.each(['', 'a\0', '\ud800', 'x'.repeat(200_000)])('refuses what no tuple can carry', (name) => {
    expect(() => modelOfNames(['app', name])).toThrow(expect.objectContaining({ code: 'invalid' }));
  });
  it('is read one a line', () => {
    expect(namesOfSource(' app\r\n\n  two words\n')).toEqual(['app', 'two words']);
    expect(namesOfSource('')).toEqual([]);
  });
});
