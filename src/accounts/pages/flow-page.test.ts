import { expect, test } from 'vitest';
import type { UiNode } from '../ui/node.ts';
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
  return renderFlow('login', { ...flow, ui, returnTo: undefined }, { brand: 'site', links });
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
