/**
 * The one certificate source of the server's listeners: a leaf from the server's own CA, made anew at every start and
 * again long before it expires, so that a server that runs for years never presents an expired one.
 * The leaf key lives in memory alone.
 */
import type { SecureContextOptions, Server } from 'node:tls';
import type { Logger } from '../kernel/index.ts';
import {
  type Authority,
  exportPrivateKey,
  generateServerLeafKey,
  issueServerCertificate,
} from '../trust/index.ts';

const VALIDITY_MS = 90 * 86_400_000;
/** Below setTimeout's largest delay, and well within the validity. */
const RENEW_INTERVAL_MS = 20 * 86_400_000;

export interface PemPair {
  readonly key: string;
  /** The leaf, then the CA. */
  readonly cert: string;
}

export class ServerCertificate {
  readonly #ca: Authority;
  readonly #names: readonly string[];
  readonly #logger: Logger;
  readonly #followers: { server: Server; options: SecureContextOptions }[] = [];
  #pair: PemPair;
  readonly #timer: NodeJS.Timeout;

  private constructor(ca: Authority, names: readonly string[], logger: Logger, pair: PemPair) {
    this.#ca = ca;
    this.#logger = logger;
    this.#names = names;
    this.#pair = pair;
    this.#timer = setInterval(() => void this.#renew(), RENEW_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Issues the first certificate for these host names and addresses. */
  static async create(
    ca: Authority,
    names: readonly string[],
    logger: Logger,
  ): Promise<ServerCertificate> {
    return new ServerCertificate(ca, names, logger, await issue(ca, names));
  }

  get pair(): PemPair {
    return this.#pair;
  }

  /** Keeps this server's certificate fresh from now on; `options` is the rest of its TLS settings. */
  follow(server: Server, options: SecureContextOptions): void {
    this.#followers.push({ server, options });
  }

  async #renew(): Promise<void> {
    try {
      this.#pair = await issue(this.#ca, this.#names);
      for (const { server, options } of this.#followers)
        server.setSecureContext({ ...options, ...this.#pair });
    } catch (reason) {
      this.#logger.error({ err: reason }, "the server's certificate could not be renewed");
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

async function issue(ca: Authority, names: readonly string[]): Promise<PemPair> {
  const leaf = generateServerLeafKey();
  const certificate = await issueServerCertificate({
    ca,
    names: [...names],
    leaf,
    nowMs: Date.now(),
    validityMs: VALIDITY_MS,
  });
  return { key: exportPrivateKey(leaf.privateKey), cert: `${certificate}\n${ca.certificatePem}` };
}
