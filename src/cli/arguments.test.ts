import { describe, expect, it } from 'vitest';
import { fillMarker, fillMarkers, hasMarker, splitArguments } from './arguments.ts';

describe('global flags', () => {
  it('are found at any position and taken out', () => {
    const { globals, rest } = splitArguments(
      ['node', '-q', 'list', '--jq', '.a', '--no-color', '-vv'],
      {},
    );
    expect(rest).toEqual(['node', 'list']);
    expect(globals).toMatchObject({
      isQuiet: true,
      jq: '.a',
      output: 'json',
      verbosity: 2,
      hasColor: false,
      mayAsk: false,
    });
  });
  it('leave everything after -- alone', () => {
    expect(splitArguments(['space', 'create', '--', '-q'], {}).rest).toEqual([
      'space',
      'create',
      '--',
      '-q',
    ]);
  });
  it('come from the environment too', () => {
    const { globals } = splitArguments([], { QUIET: 'true', NO_COLOR: '1' });
    expect(globals).toMatchObject({ isQuiet: true, hasColor: false });
    expect(splitArguments([], { QUIET: 'false' }).globals.isQuiet).toBe(false);
  });
  it('refuse an unknown output and a missing value', () => {
    expect(() => splitArguments(['--output', 'xml'], {})).toThrow('plain or json');
    expect(() => splitArguments(['--jq'], {})).toThrow('needs a value');
    expect(splitArguments(['--output=json'], {}).globals.output).toBe('json');
  });
});

describe('the marker for standard input', () => {
  it('is filled without doubling slashes', () => {
    expect(fillMarker('-/service/echo', '/service/ab\n')).toBe('/service/ab/service/echo');
    expect(fillMarker('/node/n2/-/service/x', '/service/f')).toBe('/node/n2/service/f/service/x');
    expect(fillMarker('/node/n2/-', 'service/f')).toBe('/node/n2/service/f');
  });
  it('is looked for in route flags alone', () => {
    const lines = ['/service/a'];
    const read = (): string => lines.shift() ?? '';
    expect(fillMarkers(['send', '-/x', '--to=-/service/echo'], read)).toEqual([
      'send',
      '-/x',
      '--to=/service/a/service/echo',
    ]);
    expect(hasMarker('/node/a-b/service/x')).toBe(false);
  });
});
