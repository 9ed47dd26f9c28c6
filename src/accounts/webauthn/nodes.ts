/** The nodes that security keys and passkeys have in common, by the names that Kratos's pages look for. Pure. */
import type { Flow } from '../flows/flow.ts';
import { input, script, type UiNode, type UiText } from '../ui/node.ts';
import type { KeyType } from './credential.ts';
import { WEBAUTHN_SCRIPT_INTEGRITY, WEBAUTHN_SCRIPT_PATH } from './script.ts';

/** The script, for flows that a browser shows. */
export function scriptNodes(flow: Flow, publicUrl: string): UiNode[] {
  if (flow.type !== 'browser') return [];
  const src = `${publicUrl}${WEBAUTHN_SCRIPT_PATH}`;
  const integrity = WEBAUTHN_SCRIPT_INTEGRITY;
  return [script('webauthn', { id: 'webauthn_script', src, integrity, nonce: '' })];
}

/** A button that a function of the script is behind; programs read the function's name. */
export function trigger(
  flow: Flow,
  group: KeyType,
  o: {
    readonly name: string;
    readonly run: string;
    readonly value?: string;
    readonly label: UiText;
  },
): UiNode {
  return input(
    group,
    {
      name: o.name,
      type: 'button',
      value: o.value ?? '',
      ...(flow.type === 'browser' ? { onclick: `window.${o.run}()` } : {}),
      onclickTrigger: o.run,
    },
    o.label,
  );
}

export function hiddenField(group: KeyType, name: string, value = ''): UiNode {
  return input(group, { name, type: 'hidden', value });
}
