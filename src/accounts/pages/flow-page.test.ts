import { expect, test } from 'vitest';
import type { UiNode } from '../ui/node.ts';
import { createBrand } from './brand.ts';
import { renderFlow } from './flow-page.ts';

const links = { login: '/l', registration: '/r', recovery: '/f', home: '/', logout: undefined };

function field(name: string, error?: string): UiNode {
  return {
    type: 'input',
    group: 'password',
    attributes: { node_type: 'input', name, type: 'text', disabled: false },
    messages: error === undefined ? [] : [{ id: 4000002, text: error, type: 'error' }],
    meta: { label: { id: 1070002, text: name, type: 'info' } },
  };
}

function pageOf(nodes: readonly UiNode[]): string {
  const ui = { action: 'http://127.0.0.1/x', method: 'POST', nodes: [...nodes] } as const;
  const flow = { id: 'f', state: 'choose_method', isRefresh: false, isSecondFactor: false };
  return renderFlow(
    'login',
    { ...flow, ui, returnTo: undefined },
    { brand: createBrand('site'), links },
  );
}

test('the first wrong field alone has the focus, and the title says that there is an error', () => {
  const page = pageOf([field('a'), field('b', 'Missing.'), field('c', 'Missing.')]);
  expect(page.match(/ autofocus/g)).toHaveLength(1);
  expect(page).toMatch(/id="main-b"[^>]* autofocus/);
  expect(page).toContain('<title>Error: Sign in');
});

test('a page without an error moves no focus', () => {
  expect(pageOf([field('a')])).not.toContain(' autofocus');
});

test('a wrong code is told beside the code', () => {
  const wrong = { id: 4060006, text: 'The recovery code is invalid', type: 'error' } as const;
  const ui = { action: 'http://127.0.0.1/x', method: 'POST', nodes: [field('code')] };
  const flow = { id: 'f', state: 'sent_email', isRefresh: false, isSecondFactor: false };
  const page = renderFlow(
    'recovery',
    { ...flow, ui: { ...ui, messages: [wrong] }, returnTo: undefined },
    { brand: createBrand('site'), links },
  );
  expect(page).toMatch(/<input[^>]*name="code"[^>]*aria-invalid="true"/);
  expect(page.match(/The recovery code is invalid/g)).toHaveLength(1);
  expect(page).not.toContain('role="alert"');
});

test.each([
  [4000008, 'totp_code'],
  [4000012, 'lookup_secret'],
  [4000016, 'lookup_secret'],
])('what is wrong with a second step, %i, is told beside its field alone', (id, name) => {
  const wrong = { id, text: 'That is wrong', type: 'error' } as const;
  const nodes = [field('totp_code'), field('lookup_secret')];
  const ui = { action: 'http://127.0.0.1/x', method: 'POST', nodes, messages: [wrong] };
  const flow = { id: 'f', state: 'choose_method', isRefresh: false, isSecondFactor: true };
  const page = renderFlow(
    'login',
    { ...flow, ui, returnTo: undefined },
    { brand: createBrand('site'), links },
  );
  const [, described] =
    new RegExp(
      `<input[^>]*name="${name}"[^>]*aria-describedby="([^"]+)"[^>]*aria-invalid="true"`,
    ).exec(page) ?? [];
  expect(page).toContain(`<div id="${described}"><p class="wrong">That is wrong</p>`);
  expect(page.match(/That is wrong/g)).toHaveLength(1);
  expect(page.match(/<input[^>]*aria-invalid/g)).toHaveLength(1);
  expect(page).not.toContain('role="alert"');
});

test('what is wrong with a field that is not there is told above', () => {
  const wrong = { id: 4000008, text: 'That is wrong', type: 'error' } as const;
  const ui = { action: 'http://127.0.0.1/x', method: 'POST', nodes: [field('a')] };
  const flow = { id: 'f', state: 'choose_method', isRefresh: false, isSecondFactor: true };
  const page = renderFlow(
    'login',
    { ...flow, ui: { ...ui, messages: [wrong] }, returnTo: undefined },
    { brand: createBrand('site'), links },
  );
  expect(page).toContain('<p class="message error" role="alert">That is wrong</p>');
});

test('codes to be kept are a list', () => {
  const secrets = ['aaaa1111', 'bbbb2222'];
  const text = { id: 1050015, type: 'info', text: secrets.join(', ') } as const;
  const node: UiNode = {
    ...{ type: 'text', group: 'lookup_secret', messages: [], meta: {} },
    attributes: {
      ...{ node_type: 'text', id: 'codes' },
      text: { ...text, context: { secrets: secrets.map((s) => ({ text: s })) } },
    },
  };
  expect(pageOf([node])).toContain('<li>aaaa1111</li><li>bbbb2222</li>');
});

test('the page says where somebody goes on to', () => {
  const ui = { action: 'http://127.0.0.1/x', method: 'POST', nodes: [field('a')] };
  const flow = { id: 'f', state: 'choose_method', isRefresh: false, isSecondFactor: false };
  const page = renderFlow(
    'login',
    { ...flow, ui, returnTo: undefined },
    { brand: createBrand('site'), links, destination: '<Shop>' },
  );
  expect(page).toContain('to go on to <strong>&lt;Shop&gt;</strong>');
});
