/**
 * What the courier writes, by template type. Pure. A message says who sends it, what was asked, how long it holds and what
 * to do if it was not you; it never says more about the account than its reader knows.
 */
import type { Via } from '../account.ts';
import type { TemplateType } from '../services.ts';

export interface Rendered {
  readonly subject: string;
  readonly body: string;
  readonly html: string;
}

export interface TemplateFacts {
  /** Who sends: the host name of the public address. */
  readonly site: string;
  /** The organisation's; undefined: it is known by its host name. */
  readonly name?: string | undefined;
  readonly via: Via;
  readonly data: Readonly<Record<string, unknown>>;
}

const text = (data: TemplateFacts['data'], name: string): string => String(data[name] ?? '');

/** Line ends and other control characters would end a header. */
function oneLine(value: string): string {
  return value.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}
function escapeHtml(value: string): string {
  return value.replace(
    /[&<>"']/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c] ?? c,
  );
}

interface Letter {
  readonly subject: string;
  readonly lead: string;
  readonly code?: string;
  readonly url?: string;
  readonly end: string;
}

const NOT_YOU = 'If this was not you, ignore this message: nothing happens without the code.';
const NOT_YOU_LINK =
  'If this was not you, ignore this message: nothing happens unless the link is used.';

/** With a name, the host stands beside it, since anybody can call themselves something. */
function letterOf(type: TemplateType, { site: host, name, data }: TemplateFacts): Letter {
  const site = name ?? host;
  const place = name === undefined ? host : `${name} (${host})`;
  const minutes = text(data, 'ExpiresInMinutes');
  const holds = minutes === '' ? '' : ` It holds for ${minutes} minutes.`;
  switch (type) {
    case 'recovery_code_valid':
      return {
        subject: `Recover access to your account at ${site}`,
        lead: `Enter this code at ${place} to recover access to your account.${holds}`,
        code: text(data, 'RecoveryCode'),
        end: NOT_YOU,
      };
    case 'recovery_valid':
      return {
        subject: `Recover access to your account at ${site}`,
        lead: `Open this link to recover access to your account at ${place}.${holds}`,
        url: text(data, 'RecoveryURL'),
        end: NOT_YOU_LINK,
      };
    case 'recovery_code_invalid':
    case 'recovery_invalid':
      return {
        subject: `Account access attempted at ${site}`,
        lead: `Somebody asked ${place} to recover an account with this address. There is no account with it.`,
        end: 'If it was you, try another address. If it was not, there is nothing to do.',
      };
    case 'verification_code_valid':
      return {
        subject: `Verify your address at ${site}`,
        lead: `Enter this code at ${place}, or open the link, to verify that this address is yours.${holds}`,
        code: text(data, 'VerificationCode'),
        url: text(data, 'VerificationURL'),
        end: NOT_YOU,
      };
    case 'verification_valid':
      return {
        subject: `Verify your address at ${site}`,
        lead: `Open this link to verify that this address is yours.${holds}`,
        url: text(data, 'VerificationURL'),
        end: NOT_YOU_LINK,
      };
    case 'verification_code_invalid':
    case 'verification_invalid':
      return {
        subject: `Verification attempted at ${site}`,
        lead: `Somebody asked ${place} to verify this address. There is no account with it.`,
        end: 'If it was you, register with this address first. If it was not, there is nothing to do.',
      };
    case 'login_code_valid':
      return {
        subject: `${text(data, 'LoginCode')} is your sign-in code at ${site}`,
        lead: `Enter this code at ${place} to sign in.${holds}`,
        code: text(data, 'LoginCode'),
        end: NOT_YOU,
      };
    case 'registration_code_valid':
      return {
        subject: `Complete your registration at ${site}`,
        lead: `Enter this code at ${place} to complete your registration.${holds}`,
        code: text(data, 'RegistrationCode'),
        end: NOT_YOU,
      };
    case 'verifiable_address_changed':
      return {
        subject: `An address of your account at ${site} was changed`,
        lead: `An address of your account at ${site} was changed (${text(data, 'ChangedAt')}).`,
        end: `If this was you, there is nothing to do. If it was not, tell whoever runs ${site} at once.`,
      };
  }
}

/** Short, and its last line lets a phone fill in the code on the page that it is for, and on no other. */
function smsOf({ lead, code, url }: Letter, site: string): string {
  const domain = /[a-z]/i.test(site) && !site.includes(':') ? site : undefined;
  const bound = code === undefined || domain === undefined ? [] : [`@${domain} #${code}`];
  const first = code === undefined ? lead : `${code} is your code. ${lead}`;
  return [first, ...(code === undefined && url !== undefined ? [url] : []), ...bound].join('\n\n');
}

/** A message of a type. */
export function renderTemplate(type: TemplateType, facts: TemplateFacts): Rendered {
  const letter = letterOf(type, facts);
  if (facts.via === 'sms') return { subject: '', body: smsOf(letter, facts.site), html: '' };
  const lines = [letter.lead, letter.code, letter.url, letter.end].filter((l) => l !== undefined);
  const html = [
    `<p>${escapeHtml(letter.lead)}</p>`,
    ...(letter.code === undefined
      ? []
      : [`<p style="font:600 24px monospace;letter-spacing:4px">${escapeHtml(letter.code)}</p>`]),
    ...(letter.url === undefined
      ? []
      : [`<p><a href="${escapeHtml(letter.url)}">${escapeHtml(letter.url)}</a></p>`]),
    `<p style="color:#666">${escapeHtml(letter.end)}</p>`,
  ].join('\n');
  return { subject: oneLine(letter.subject), body: `${lines.join('\n\n')}\n`, html };
}
