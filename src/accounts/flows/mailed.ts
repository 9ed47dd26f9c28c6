/**
 * What the flows share that prove an address by what is mailed to it: the forms that ask for an address and for a code, what
 * is stored when a message goes out, and how a proof that comes back is counted and judged. INVARIANT: a try is in the store
 * before it is judged, in the flow that had the message sent, whichever browser the proof comes from.
 */
import type { Aal, Account } from '../account.ts';
import { countTry, isCode, type SentCode, sentCode } from '../codes.ts';
import type { NewMessage, Services } from '../services.ts';
import {
  type AttemptBudget,
  attemptBudgets,
  refuseSpent,
  STRANGERS_PER_HOUR,
} from '../throttle.ts';
import { INVALID, LABEL } from '../ui/message.ts';
import { input, nameOf, submit, type UiNode, type UiText, withValue } from '../ui/node.ts';
import { aboutFlow, type Flow, problem, type Visitor } from './flow.ts';
import { csrfNode } from './form.ts';
import { proofOf, rootOf } from './opened.ts';

/** A flow with what is to be mailed for it, neither stored yet. */
export interface Sent {
  readonly flow: Flow;
  readonly messages: readonly NewMessage[];
}

/** The field of a code: digits, which phones take out of the message. */
export function codeField(label: UiText): UiNode {
  return input(
    'code',
    {
      ...{ name: 'code', type: 'text', required: true },
      ...{ pattern: '[0-9]+', maxlength: 6, autocomplete: 'one-time-code' },
    },
    label,
  );
}

/** The form that asks for the code; `resendTo` is the address that another one can go to. */
export function codeForm(flow: Flow, label: UiText, resendTo: string | undefined): UiNode[] {
  return [
    codeField(label),
    input('code', { name: 'method', type: 'hidden', value: 'code' }),
    submit('code', 'method', 'code', LABEL.continue),
    ...(resendTo === undefined ? [] : [submit('code', 'email', resendTo, LABEL.resend)]),
    csrfNode(flow),
  ];
}

/** The nodes that ask for an address, to which a code or a link then goes. */
export function addressNodes(use: 'code' | 'link', address?: string): UiNode[] {
  const attributes = {
    name: 'email',
    type: 'email',
    required: true,
    autocomplete: 'email',
    ...(address === undefined ? {} : { value: address }),
  } as const;
  return [input(use, attributes, LABEL.email), submit(use, 'method', use, LABEL.continue)];
}

/** The form of a link that was opened: one button, which a mail scanner does not press. */
export function linkForm(flow: Flow, token: string): UiNode[] {
  return [
    csrfNode(flow),
    input('link', { name: 'token', type: 'hidden', value: proofOf(token) }),
    submit('link', 'method', 'link', LABEL.continue),
  ];
}

/** The form of a code with the code in it that a link brought. */
export function withCode(nodes: readonly UiNode[], code: string): UiNode[] {
  return nodes.map((n) => (nameOf(n) === 'code' ? withValue(n, proofOf(code)) : n));
}

/** Counts a message that somebody asks for. Throws FlowProblem when there were too many of these. */
export async function countMail(
  { budgets, sessions }: Services,
  what: 'recovery mail' | 'verification mail' | 'login mail',
  o: {
    readonly address: string;
    readonly account: Account | undefined;
    readonly visitor: Visitor;
    /** What the message is to prove; aal1 unless it is named. */
    readonly aal?: Aal;
  },
): Promise<void> {
  const { address: subject, account, visitor, aal } = o;
  const isKnownNetwork = await sessions.wasInNetworkOf(account?.id, visitor.ipAddress, aal);
  const strangersPerHour = STRANGERS_PER_HOUR.mail;
  await refuseSpent(
    budgets,
    attemptBudgets({ what, visitor, subject, isKnownNetwork, strangersPerHour }),
  );
}

/** The messages of a flow, ready to be put into the queue. */
export function prepareMessages(
  { messages }: Services,
  sent: Sent,
): Promise<Awaited<ReturnType<Services['messages']['prepare']>>[]> {
  return Promise.all(sent.messages.map((m) => messages.prepare(aboutFlow(sent.flow, m))));
}

/** Stores a flow together with its messages. */
export async function keepSent(services: Services, sent: Sent): Promise<Flow> {
  const { flows, store } = services;
  const puts = await prepareMessages(services, sent);
  const prepared = await flows.prepare(sent.flow);
  return store.write(async (trx) => {
    for (const put of puts) await put(trx);
    return flows.replacePrepared(trx, prepared);
  });
}

export interface Judged {
  readonly sent: SentCode;
  /** The flow that the proof came in, with the try counted where it is the one that had the message sent. */
  readonly flow: Flow;
  /** The flow that had the message sent, with the try counted. */
  readonly root: Flow;
  /** Whether the proof came by a link, in a flow of its own. */
  readonly isOpened: boolean;
  /** Whose proof it is; absent where nobody has the address, or the account is gone. */
  readonly account: Account | undefined;
  readonly isRight: boolean;
  /** What a success gives back. */
  readonly spent: readonly AttemptBudget[];
}

/** What is said of a code that was not taken: that there were too many, once no try was left for it. */
export function wrongCode({ sent }: Judged, wrong: UiText): UiText {
  return sent.triesLeft > 0 ? wrong : INVALID.codeTooOften;
}

/**
 * Counts a proof and judges it. Throws FlowProblem: `alreadyDone`, `failedState` where nothing had been sent, or too many
 * tries from that network.
 */
export async function judgeProof(
  services: Services,
  flow: Flow,
  o: {
    readonly what: 'recovery code' | 'verification code';
    readonly proof: string;
    readonly visitor: Visitor;
    readonly alreadyDone: UiText;
    readonly failedState: UiText;
  },
): Promise<Judged> {
  const { fabric, flows, accounts, clock, budgets } = services;
  const root = await rootOf(services, flow);
  if (root?.state === 'passed_challenge') throw problem(o.alreadyDone);
  const sent = root === undefined ? undefined : sentCode(root);
  if (root === undefined || sent === undefined) throw problem(o.failedState);
  const isOpened = root.id !== flow.id;
  // By network alone: the flow counts its tries, and strangers' flows must not spend what the person's own needs.
  const subject = sent.accountId ?? sent.address;
  const spent = attemptBudgets({ what: o.what, visitor: o.visitor, subject });
  await refuseSpent(budgets, spent);
  const counted = await flows.replace(countTry(isOpened ? root : flow, sent));
  const account = sent.accountId === undefined ? undefined : await accounts.get(sent.accountId);
  const isRight = await isCode(fabric, root, sent, o.proof, clock.now());
  return {
    sent,
    flow: isOpened ? flow : counted,
    root: counted,
    isOpened,
    account,
    isRight,
    spent,
  };
}
