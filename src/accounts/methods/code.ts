/**
 * One-time codes by mail as a way to sign in (passwordless) and as a second factor (reference: Kratos's method `code`).
 * INVARIANT: whether an address is known is never told; a try is counted before it is judged; an address that nobody proved
 * opens no account that somebody else can enter (code-addresses.ts). DEVIATION: Kratos makes each address of the traits a
 * name to sign in by, and keeps a stranger's password beside it.
 */
import type { Aal, Account, JsonObject } from '../account.ts';
import { countTry, forgetCode, isCode, newCode, noteCode, sentCode } from '../codes.ts';
import {
  type Flow,
  isTrue,
  problem,
  type Submission,
  show,
  textOf,
  type Visitor,
} from '../flows/flow.ts';
import { csrfNode } from '../flows/form.ts';
import { codeField, countMail, type Sent } from '../flows/mailed.ts';
import type {
  Authenticated,
  LoginMethod,
  Method,
  Registered,
  RegistrationMethod,
  Shown,
} from '../flows/method.ts';
import { markVerified } from '../flows/verification.ts';
import {
  type CodeAddress,
  type IdentitySchema,
  normaliseIdentifier,
} from '../schema/identity-schema.ts';
import { type NewMessage, type Services, schemaOf } from '../services.ts';
import {
  type AttemptBudget,
  attemptBudgets,
  refuseSpent,
  STRANGERS_PER_HOUR,
} from '../throttle.ts';
import { FLOW, INVALID, LABEL, LOGIN, REGISTRATION } from '../ui/message.ts';
import { input, nameOf, submit, type UiNode, type UiText } from '../ui/node.ts';
import { templateIdentity } from '../view.ts';
import { isSecondFactor } from '../webauthn/credential.ts';
import { type Claim, claimOf, codeCredential } from './code-addresses.ts';

/** The form of a code that was sent. Its method is there whichever button is pressed. */
function codeNodes(label: UiText): UiNode[] {
  return [
    input('code', { name: 'method', type: 'hidden', value: 'code' }),
    codeField(label),
    submit('code', 'method', 'code', LABEL.continue),
    submit('code', 'resend', 'code', LABEL.resend),
  ];
}

/** Whether the button was the one that sends another code, whatever stands in the field beside it. */
function isAskedAgain(submission: Submission): boolean {
  return isTrue(submission, 'resend') || textOf(submission, 'resend') === 'code';
}

/** What both flows share: sending a code and judging it. */
class CodeSender {
  readonly services: Services;
  constructor(services: Services) {
    this.services = services;
  }

  async send(
    flow: Flow,
    to: CodeAddress,
    o: {
      readonly account: Account | undefined;
      readonly message: Omit<NewMessage, 'via' | 'recipient' | 'data'>;
      readonly variable: string;
      readonly isSent: boolean;
    },
  ): Promise<Sent> {
    const { config, clock, fabric } = this.services;
    const { lifespanMs, maxSubmissions } = config.methods.code;
    const code = newCode();
    const noted = await noteCode(fabric, flow, code, {
      ...{ address: to.value, via: to.via, accountId: o.account?.id },
      triesLeft: maxSubmissions,
      expiresAtMs: clock.now() + lifespanMs,
    });
    const data = {
      To: to.value,
      [o.variable]: code,
      ExpiresInMinutes: Math.round(lifespanMs / 60_000),
      ...(o.account === undefined ? {} : { Identity: templateIdentity(o.account) }),
    };
    const message: NewMessage = { ...o.message, via: to.via, recipient: to.value, data };
    return { flow: noted, messages: o.isSent ? [message] : [] };
  }

  /**
   * The flow with the try counted, when the code is right. Strangers' tries at a second factor are counted by account as
   * those of the other second factors are: they know its password. Throws FlowProblem with the wrong one counted.
   */
  async judge(
    flow: Flow,
    given: string,
    visitor: Visitor,
    o: { readonly wrong: UiText; readonly aal: Aal },
  ): Promise<{
    readonly flow: Flow;
    readonly address: CodeAddress;
    readonly accountId: string | undefined;
    readonly spent: readonly AttemptBudget[];
  }> {
    const { fabric, flows, clock, budgets, sessions } = this.services;
    const { wrong, aal } = o;
    const sent = sentCode(flow);
    if (sent === undefined) throw problem(wrong);
    const spent = attemptBudgets({
      ...{ what: aal === 'aal2' ? 'second factor code' : 'login code', visitor },
      subject: sent.accountId ?? sent.address,
      isKnownNetwork: await sessions.wasInNetworkOf(sent.accountId, visitor.ipAddress, aal),
      ...(aal === 'aal2' ? { strangersPerHour: STRANGERS_PER_HOUR.secondFactor } : {}),
    });
    await refuseSpent(budgets, spent);
    const counted = await flows.replace(countTry(flow, sent));
    if (!(await isCode(fabric, flow, sent, given, clock.now())))
      throw problem(wrong, undefined, counted);
    return {
      flow: forgetCode(counted),
      address: { value: sent.address, via: sent.via },
      accountId: sent.accountId,
      spent,
    };
  }
}

const MAILBOX: ReadonlySet<string> = new Set(['code', 'code_recovery', 'link_recovery']);
const LOGIN_SAME_MAILBOX = INVALID.generic(
  'You came in by a message to you already. Use the other second factor that you set up.',
);

/** Whether a mailbox would be both factors of somebody who set up another second one. */
function isMailboxTwice({ session }: Visitor, account: Account): boolean {
  const first = session?.methods.filter(({ aal }) => aal !== 'aal2') ?? [];
  const isByMailbox = first.length > 0 && first.every(({ method }) => MAILBOX.has(method));
  const hasOther = [...account.credentials.values()].some(isSecondFactor);
  return isByMailbox && hasOther;
}

class CodeLogin implements LoginMethod {
  readonly name = 'code';
  readonly aal: 'aal1' | 'aal2';
  readonly #sender: CodeSender;
  constructor(sender: CodeSender, aal: 'aal1' | 'aal2') {
    this.#sender = sender;
    this.aal = aal;
  }
  get #services(): Services {
    return this.#sender.services;
  }

  async nodes(_flow: Flow, account: Account | undefined): Promise<readonly UiNode[]> {
    if (this.aal === 'aal1') return [submit('code', 'method', 'code', LOGIN.sendCode)];
    return this.#addresses(account).map((a) =>
      submit('code', 'address', a.value, LOGIN.sendCodeTo(a.value, a.via)),
    );
  }

  #addresses(account: Account | undefined): readonly CodeAddress[] {
    if (account === undefined) return [];
    return schemaOf(this.#services, account).codeAddresses(account.traits);
  }

  /** Whose an address is: who proved it comes before who only has it in their traits. */
  async #find(value: string): Promise<Account | undefined> {
    const { accounts } = this.#services;
    const byCode = await accounts.findByIdentifier(value, ['code']);
    if (byCode !== undefined) return byCode;
    const holder =
      (await accounts.findByAddress('verifiable', value, 'email')) ??
      (await accounts.findByAddress('verifiable', value, 'sms'));
    const isVerified = holder?.verifiableAddresses.some((a) => a.verified && a.value === value);
    if (isVerified === true) return holder;
    return accounts.findByIdentifier(value, ['password', 'webauthn']);
  }
  #claim(account: Account | undefined, address: CodeAddress | undefined): Claim {
    if (account === undefined || address === undefined) return 'foreign';
    return claimOf(schemaOf(this.#services, account), account, address);
  }

  async submit(
    flow: Flow,
    submission: Submission,
    visitor: Visitor,
    known: Account | undefined,
  ): Promise<Authenticated | Shown> {
    const code = textOf(submission, 'code');
    if (code !== undefined && !isAskedAgain(submission))
      return this.#judge(flow, code, visitor, known);
    const before = sentCode(flow);
    const given =
      textOf(submission, 'address') ?? textOf(submission, 'identifier') ?? before?.address;
    if (given === undefined) throw problem(INVALID.required('identifier'), 'identifier');
    const value = normaliseIdentifier(given);
    const account = known ?? (await this.#find(value));
    const named = this.#addresses(account).find((a) => a.value === value);
    if (this.aal === 'aal2' && account !== undefined && isMailboxTwice(visitor, account))
      throw problem(LOGIN_SAME_MAILBOX);
    const address =
      known === undefined && this.#claim(account, named) === 'foreign' ? undefined : named;
    if (known !== undefined && address === undefined) throw problem(FLOW.addressUnknown);
    await countMail(this.#services, 'login mail', {
      ...{ address: value, account, visitor, aal: this.aal },
    });
    const sent = await this.#sender.send(flow, address ?? { value, via: 'email' }, {
      account: address === undefined ? undefined : account,
      message: { templateType: 'login_code_valid' },
      variable: 'LoginCode',
      isSent: address !== undefined,
    });
    return {
      kind: 'shown',
      messages: sent.messages,
      flow: show(
        { ...sent.flow, state: 'sent_email' },
        [csrfNode(flow), keptIdentifier(flow, value), ...codeNodes(LABEL.loginCode)],
        [known === undefined ? LOGIN.codeSent : LOGIN.codeSentToYou],
      ),
    };
  }

  async #judge(
    flow: Flow,
    code: string,
    visitor: Visitor,
    known: Account | undefined,
  ): Promise<Authenticated> {
    const { accounts, clock } = this.#services;
    const judged = await this.#sender.judge(flow, code, visitor, {
      ...{ wrong: FLOW.loginCodeWrong, aal: this.aal },
    });
    const account =
      judged.accountId === undefined ? undefined : await accounts.get(judged.accountId);
    if (account === undefined || (known !== undefined && known.id !== account.id))
      throw problem(FLOW.loginCodeWrong, undefined, judged.flow);
    const nowMs = clock.now();
    const { address } = judged;
    const claim = known === undefined ? this.#claim(account, address) : 'proved';
    // Somebody proved another address since the code was sent.
    if (claim === 'foreign') throw problem(FLOW.loginCodeWrong, undefined, judged.flow);
    const made = codeCredential(address, nowMs, account.credentials.get('code'));
    const held: Account =
      claim === 'first'
        ? { ...account, credentials: new Map([...account.credentials, ['code', made]]) }
        : account;
    return {
      ...{ kind: 'authenticated', account, flow: judged.flow },
      changed: markVerified(held, address.value, address.via, nowMs),
      method: { method: 'code', aal: this.aal, completedAtMs: nowMs },
      spent: judged.spent,
    };
  }
}

/** The field that named the person, hidden, so that a code can be asked for again. */
function keptIdentifier({ ui }: Flow, value: string): UiNode {
  const asked = ui.nodes.find((n) => nameOf(n) === 'identifier');
  const hidden = { name: 'identifier', type: 'hidden', value } as const;
  if (asked?.attributes.node_type !== 'input') return input('default', hidden);
  return { ...asked, attributes: { ...asked.attributes, ...hidden }, messages: [] };
}

class CodeRegistration implements RegistrationMethod {
  readonly name = 'code';
  readonly #sender: CodeSender;
  constructor(sender: CodeSender) {
    this.#sender = sender;
  }

  async nodes(): Promise<readonly UiNode[]> {
    return [submit('code', 'method', 'code', REGISTRATION.sendCode)];
  }

  async submit(
    flow: Flow,
    submission: Submission,
    traits: JsonObject,
    schema: IdentitySchema,
    visitor: Visitor,
  ): Promise<Registered | Shown> {
    const { clock, budgets, config } = this.#sender.services;
    const isTwoSteps = config.flows.registration.style === 'profile_first';
    const [address] = schema.codeAddresses(traits);
    if (address === undefined) throw problem(INVALID.noIdentifier);
    const code = textOf(submission, 'code');
    if (code !== undefined && !isAskedAgain(submission)) {
      const judged = await this.#sender.judge(flow, code, visitor, {
        ...{ wrong: FLOW.registrationCodeWrong, aal: 'aal1' },
      });
      if (judged.address.value !== address.value)
        throw problem(INVALID.traitsChanged, undefined, judged.flow);
      const nowMs = clock.now();
      return {
        kind: 'registered',
        traits,
        flow: judged.flow,
        verified: [address],
        // Other addresses of the traits are claims, until somebody verifies them.
        credentials: [codeCredential(address, nowMs)],
        method: { method: 'code', aal: 'aal1', completedAtMs: nowMs },
      };
    }
    await refuseSpent(
      budgets,
      attemptBudgets({
        ...{ what: 'registration mail', visitor, subject: address.value },
        strangersPerHour: STRANGERS_PER_HOUR.mail,
      }),
    );
    const sent = await this.#sender.send(flow, address, {
      account: undefined,
      message: { templateType: 'registration_code_valid' },
      variable: 'RegistrationCode',
      isSent: true,
    });
    const hidden = schema
      .nodes('default', traits)
      .map(
        (n): UiNode =>
          n.attributes.node_type === 'input'
            ? { ...n, attributes: { ...n.attributes, type: 'hidden' } }
            : n,
      );
    return {
      kind: 'shown',
      messages: sent.messages,
      flow: show(
        { ...sent.flow, state: 'sent_email' },
        [
          csrfNode(flow),
          ...hidden,
          ...codeNodes(LABEL.registrationCode),
          ...(isTwoSteps
            ? [submit('profile', 'screen', 'credential-selection', REGISTRATION.back)]
            : []),
        ],
        [REGISTRATION.codeSent],
      ),
    };
  }
}

/** The method, with the flows that the configuration lets it serve. */
export function createCodeMethod(services: Services): Method {
  const sender = new CodeSender(services);
  const { isPasswordless, isMfa } = services.config.methods.code;
  return {
    name: 'code',
    ...(isPasswordless
      ? { login: new CodeLogin(sender, 'aal1'), registration: new CodeRegistration(sender) }
      : {}),
    ...(isMfa ? { secondFactor: new CodeLogin(sender, 'aal2') } : {}),
  };
}
