/**
 * UI nodes: what a sign-in page has to show, in the words of Kratos's clients, which render them. Pure. Nothing secret
 * may stand in a node that its reader does not own already: flows are shown to whoever holds their id and cookie.
 */
export type TextKind = 'info' | 'error' | 'success';

/** A text with a stable id that clients switch on; see message.ts. */
export interface UiText {
  readonly id: number;
  readonly text: string;
  readonly type: TextKind;
  readonly context?: Readonly<Record<string, unknown>>;
}

export type NodeGroup =
  | 'default'
  | 'password'
  | 'oidc'
  | 'profile'
  | 'link'
  | 'code'
  | 'totp'
  | 'lookup_secret'
  | 'webauthn'
  | 'passkey'
  | 'identifier_first';

export type InputType =
  | 'text'
  | 'password'
  | 'number'
  | 'checkbox'
  | 'hidden'
  | 'email'
  | 'tel'
  | 'submit'
  | 'button'
  | 'datetime-local'
  | 'date'
  | 'url';

export interface InputAttributes {
  readonly node_type: 'input';
  readonly name: string;
  readonly type: InputType;
  readonly value?: unknown;
  readonly required?: boolean;
  readonly disabled: boolean;
  readonly autocomplete?: string;
  readonly pattern?: string;
  readonly maxlength?: number;
  readonly options?: readonly { readonly value: unknown }[];
  readonly onclick?: string;
  readonly onclickTrigger?: string;
  readonly onload?: string;
  readonly onloadTrigger?: string;
}
export interface ImageAttributes {
  readonly node_type: 'img';
  readonly src: string;
  readonly id: string;
  readonly width: number;
  readonly height: number;
}
export interface TextAttributes {
  readonly node_type: 'text';
  readonly text: UiText;
  readonly id: string;
}
export interface AnchorAttributes {
  readonly node_type: 'a';
  readonly href: string;
  readonly title: UiText;
  readonly id: string;
}
export interface ScriptAttributes {
  readonly node_type: 'script';
  readonly src: string;
  readonly async: boolean;
  readonly referrerpolicy: string;
  readonly crossorigin: string;
  readonly integrity: string;
  readonly type: string;
  readonly id: string;
  readonly nonce: string;
}
export type NodeAttributes =
  | InputAttributes
  | ImageAttributes
  | TextAttributes
  | AnchorAttributes
  | ScriptAttributes;

export interface UiNode {
  readonly type: 'input' | 'img' | 'text' | 'a' | 'script';
  readonly group: NodeGroup;
  readonly attributes: NodeAttributes;
  readonly messages: readonly UiText[];
  readonly meta: { readonly label?: UiText };
}

/** What a flow shows: where its form goes, the nodes in it, and what is said about the whole. */
export interface UiContainer {
  readonly action: string;
  readonly method: string;
  readonly nodes: readonly UiNode[];
  readonly messages?: readonly UiText[];
}

/** An input; `disabled` is always present, as clients expect. */
export function input(
  group: NodeGroup,
  attributes: Omit<InputAttributes, 'node_type' | 'disabled'> & { readonly disabled?: boolean },
  label?: UiText,
): UiNode {
  return {
    type: 'input',
    group,
    attributes: { disabled: false, ...attributes, node_type: 'input' },
    messages: [],
    meta: label === undefined ? {} : { label },
  };
}

/** A submit button that names its method: `method=password` and the like. */
export function submit(group: NodeGroup, name: string, value: string, label: UiText): UiNode {
  return input(group, { name, type: 'submit', value }, label);
}

export function image(
  group: NodeGroup,
  attributes: Omit<ImageAttributes, 'node_type'>,
  label?: UiText,
): UiNode {
  return {
    type: 'img',
    group,
    attributes: { ...attributes, node_type: 'img' },
    messages: [],
    meta: label === undefined ? {} : { label },
  };
}
export function text(group: NodeGroup, id: string, shown: UiText, label?: UiText): UiNode {
  return {
    type: 'text',
    group,
    attributes: { node_type: 'text', id, text: shown },
    messages: [],
    meta: label === undefined ? {} : { label },
  };
}
export function anchor(group: NodeGroup, id: string, href: string, title: UiText): UiNode {
  return {
    type: 'a',
    group,
    attributes: { node_type: 'a', id, href, title },
    messages: [],
    meta: { label: title },
  };
}
export function script(
  group: NodeGroup,
  o: {
    readonly id: string;
    readonly src: string;
    readonly integrity: string;
    readonly nonce: string;
  },
): UiNode {
  return {
    type: 'script',
    group,
    attributes: {
      ...o,
      node_type: 'script',
      async: true,
      referrerpolicy: 'no-referrer',
      crossorigin: 'anonymous',
      type: 'text/javascript',
    },
    messages: [],
    meta: {},
  };
}

/** The name by which a node is found: an input's name, another's id. */
export function nameOf(node: UiNode): string {
  return node.attributes.node_type === 'input' ? node.attributes.name : node.attributes.id;
}

/** The node with a changed value; other kinds of nodes as they are. */
export function withValue(node: UiNode, value: unknown): UiNode {
  if (node.attributes.node_type !== 'input') return node;
  const { value: _before, ...rest } = node.attributes;
  return { ...node, attributes: value === undefined ? rest : { ...rest, value } };
}

/** The nodes with messages put beside the named one; false second when no node has the name. */
export function addMessage(
  nodes: readonly UiNode[],
  name: string,
  message: UiText,
): { readonly nodes: readonly UiNode[]; readonly isFound: boolean } {
  let isFound = false;
  const changed = nodes.map((node) => {
    if (isFound || nameOf(node) !== name) return node;
    isFound = true;
    return { ...node, messages: [...node.messages, message] };
  });
  return { nodes: changed, isFound };
}
