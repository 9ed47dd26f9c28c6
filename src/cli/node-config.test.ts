import { describe, expect, it } from 'vitest';
import { parseNodeConfig, parseVariables } from './node-config.ts';

const parse = (
  text: string,
  given: Record<string, string> = {},
  env: Record<string, string> = {},
): ReturnType<typeof parseNodeConfig> => parseNodeConfig(text, given, env);

describe('a node configuration', () => {
  it('runs policies, relays, inlets, outlets in that order, whatever the order in the file', () => {
    const { steps, ticket, node } = parse(
      '{tcp-outlet: {to: 5432, allow: component.web}, relay: db, ticket: db.ticket, name: n, policies: [{resource-type: tcp-inlet, allow: a}], tcp_inlets: {web: {from: 5433, via: db}}}',
    );
    expect(node['name']).toBe('n');
    expect(ticket).toBe('db.ticket');
    expect(steps).toEqual([
      ['policy', 'create', '--resource-type', 'tcp-inlet', '--allow', 'a'],
      ['relay', 'create', 'db'],
      ['tcp-inlet', 'create', '--alias', 'web', '--from', '5433', '--via', 'db'],
      ['tcp-outlet', 'create', '--to', '5432', '--allow', 'component.web'],
    ]);
  });
  it('turns the key of a named outlet into --from, and lists of relays into one step each', () => {
    const { steps } = parse('{tcp-outlets: {db: {to: 1, tls: true}}, relays: [a, b]}');
    expect(steps).toEqual([
      ['relay', 'create', 'a'],
      ['relay', 'create', 'b'],
      ['tcp-outlet', 'create', '--from', 'db', '--to', '1', '--tls'],
    ]);
  });
  it('expands variables: --variable beats the environment, which beats the file', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration's own placeholder
    const text = 'variables: {A: file, B: file, C: file}\nname: $A-${B}-$C';
    expect(parse(text, { A: 'given' }, { A: 'env', B: 'env' }).node['name']).toBe('given-env-file');
  });
  it('expands values alone: comments are left, and a value can not add a section', () => {
    const { node, steps } = parse(
      'name: $A # not $B\ntcp-outlet: {to: $PORT, tls: $TLS, allow: true}',
      {
        A: 'n',
        PORT: '1\nrelay: x',
        TLS: 'false',
      },
    );
    expect(node['name']).toBe('n');
    expect(steps).toEqual([['tcp-outlet', 'create', '--to', '1\nrelay: x', '--allow', 'true']]);
  });
  it('takes keys with _ or -, singular or plural, and the key of a named policy as its resource', () => {
    const { node, steps } = parse(
      '{tcp_listener_address: "127.0.0.1:0", http_server_port: 0, TCP-INLET: {from: 1}, policy: {db: {allow: a}}}',
    );
    expect(node).toEqual({ 'tcp-listener-address': '127.0.0.1:0', 'http-server-port': '0' });
    expect(steps).toEqual([
      ['policy', 'create', '--resource', 'db', '--allow', 'a'],
      ['tcp-inlet', 'create', '--from', '1'],
    ]);
  });
  it('refuses empty and unknown variables and unknown sections', () => {
    expect(() => parseVariables(['MY_VAR='])).toThrow("Empty value for variable 'MY_VAR'");
    expect(() => parseVariables(['A=1', 'A=2'])).toThrow('given twice');
    expect(() => parse('variables: {A: ""}')).toThrow("Empty value for variable 'A'");
    expect(() => parse('name: $NOPE')).toThrow('NOPE has no value');
    expect(() => parse('nonsense: 1')).toThrow('"nonsense" is not a known section');
    expect(() => parse('[1]')).toThrow('a map of sections');
  });
});
