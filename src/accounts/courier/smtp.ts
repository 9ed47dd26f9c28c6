/**
 * The channel for mail (RFC 5321), over nodemailer. INVARIANT: TLS unless the address of the server says otherwise; a
 * message has one recipient, and nothing of its texts becomes a header but the subject.
 */
import type { Transporter } from 'nodemailer';
import { PosternError } from '../../kernel/index.ts';
import type { SmtpConfig } from '../config/config.ts';
import { type Channel, DeliveryRefused, type Outgoing } from './channel.ts';

const CONNECT_MS = 10_000;

export interface SmtpOptions {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly ignoreTLS: boolean;
  readonly requireTLS: boolean;
  readonly auth?: { readonly user: string; readonly pass: string };
  readonly tls?: { readonly rejectUnauthorized: boolean };
}

/** What an SMTP connection URI means to nodemailer; Kratos's parameters are understood. Throws `invalid`. */
export function smtpOptions(uri: string): SmtpOptions {
  if (!URL.canParse(uri) || !/^smtps?:$/.test(new URL(uri).protocol))
    throw new PosternError(
      'invalid',
      'courier.smtp.connection_uri is no smtp:// or smtps:// address',
    );
  const url = new URL(uri);
  const secure = url.protocol === 'smtps:' || url.searchParams.get('legacy_ssl') === 'true';
  const isPlain = url.searchParams.get('disable_starttls') === 'true';
  const user = decodeURIComponent(url.username);
  return {
    host: url.hostname,
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    ignoreTLS: !secure && isPlain,
    requireTLS: !secure && !isPlain,
    ...(user === '' ? {} : { auth: { user, pass: decodeURIComponent(url.password) } }),
    ...(url.searchParams.get('skip_ssl_verify') === 'true'
      ? { tls: { rejectUnauthorized: false } }
      : {}),
  };
}

/** Whether the mail server answered and said no, for good (RFC 5321 §4.2.1, 5yz). */
function isRefusal(reason: unknown): reason is Error {
  const code: unknown = reason instanceof Error ? Reflect.get(reason, 'responseCode') : undefined;
  return typeof code === 'number' && code >= 500 && code < 600;
}

export class SmtpChannel implements Channel {
  readonly #config: SmtpConfig;
  readonly #options: SmtpOptions;
  readonly #site: string;
  #transport: Transporter | undefined;

  /** `site` is who sends where the configuration has no name. Throws `invalid` for a connection URI that is none. */
  constructor(config: SmtpConfig, site: string) {
    this.#config = config;
    this.#options = smtpOptions(config.connectionUri);
    this.#site = site;
  }

  /** Loaded with the first message: a server without mail starts without it. */
  async #mailer(): Promise<Transporter> {
    if (this.#transport !== undefined) return this.#transport;
    const { createTransport } = await import('nodemailer');
    const { localName, clientCertificate } = this.#config;
    const tls = { ...this.#options.tls, ...clientCertificate };
    this.#transport ??= createTransport({
      ...this.#options,
      ...(Object.keys(tls).length === 0 ? {} : { tls }),
      ...(localName === undefined ? {} : { name: localName }),
      pool: true,
      maxConnections: 2,
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      socketTimeout: 3 * CONNECT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    return this.#transport;
  }

  async send({ id, recipient, content }: Outgoing): Promise<void> {
    const { fromName, fromAddress, headers } = this.#config;
    const mailer = await this.#mailer();
    try {
      await mailer.sendMail({
        from: { name: fromName ?? this.#site, address: fromAddress },
        to: { name: '', address: recipient },
        subject: content.subject,
        text: content.body,
        html: content.html,
        messageId: `<${id}@${this.#site}>`,
        // Keeps holiday notices from answering (RFC 3834 §5).
        headers: { 'Auto-Submitted': 'auto-generated', ...headers },
      });
    } catch (reason) {
      throw isRefusal(reason) ? new DeliveryRefused(reason.message, { cause: reason }) : reason;
    }
  }

  close(): void {
    this.#transport?.close();
  }
}
