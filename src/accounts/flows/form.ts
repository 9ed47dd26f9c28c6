/** What all flows do with their nodes: the CSRF field, what was typed before, and problems beside their fields. Pure. */
import type { JsonObject } from '../account.ts';
import { addMessage, input, nameOf, type UiNode, type UiText, withValue } from '../ui/node.ts';
import { maskCsrf } from './csrf.ts';
import { type Flow, type FlowProblem, type Submission, show, textOf } from './flow.ts';

/** The hidden field of every flow; empty where no browser is involved. */
export function csrfNode(flow: Flow): UiNode {
  const value = flow.csrf === undefined ? '' : maskCsrf(flow.csrf);
  return input('default', { name: 'csrf_token', type: 'hidden', value, required: true });
}

function valueAt(traits: JsonObject, path: readonly string[]): unknown {
  let value: unknown = traits;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

const SECRET_TYPES: ReadonlySet<string> = new Set(['password', 'hidden', 'submit', 'button']);

/** The nodes with what was typed: traits and the identifier, never a secret. */
export function withTyped(nodes: readonly UiNode[], submission: Submission): readonly UiNode[] {
  return nodes.map((node) => {
    const { attributes } = node;
    if (attributes.node_type !== 'input' || SECRET_TYPES.has(attributes.type)) return node;
    const { name } = attributes;
    if (name === 'identifier') {
      const typed = submission.fields['identifier'];
      return typeof typed === 'string' ? withValue(node, typed) : node;
    }
    if (!name.startsWith('traits.') || submission.traits === undefined) return node;
    const typed = valueAt(submission.traits, name.split('.').slice(1));
    return typed === undefined ? node : withValue(node, typed);
  });
}

/** Fields that a script fills before it submits a form, in which no button was pressed. */
export type AnswerFields = readonly (readonly [string, string])[];
export const LOGIN_ANSWERS: AnswerFields = [
  // The buttons of a code as second factor, each an address.
  ['address', 'code'],
  ['passkey_login', 'passkey'],
  ['webauthn_login', 'webauthn'],
  ['provider', 'oidc'],
];
export const REGISTRATION_ANSWERS: AnswerFields = [
  ['passkey_register', 'passkey'],
  ['webauthn_register', 'webauthn'],
  ['provider', 'oidc'],
];

/** The method of the answer that a submission carries; undefined when it carries none. */
export function methodOfAnswer(submission: Submission, answers: AnswerFields): string | undefined {
  // Some libraries of Kratos's clients send "true" for what is empty.
  const isThere = (name: string): boolean =>
    !['', 'true', undefined].includes(textOf(submission, name));
  return answers.find(([name]) => isThere(name))?.[1];
}

/** The flow with each problem beside its node, or above all where there is no such node. */
export function tellProblems(
  flow: Flow,
  nodes: readonly UiNode[],
  { problems }: FlowProblem,
): Flow {
  let shown = nodes;
  const above: UiText[] = [];
  for (const { node, message } of problems) {
    if (node === undefined || !shown.some((n) => nameOf(n) === node)) above.push(message);
    else shown = addMessage(shown, node, message).nodes;
  }
  return show(flow, shown, above);
}
