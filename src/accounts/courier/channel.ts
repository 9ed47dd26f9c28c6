/** How messages leave. A channel sends one message once; when it is tried again is the courier's to decide. */
import type { JsonObject } from '../account.ts';
import type { Rendered } from './templates.ts';

/** A message on its way. */
export interface Outgoing {
  readonly id: string;
  readonly recipient: string;
  readonly templateType: string;
  readonly type: 'email' | 'phone';
  readonly content: Rendered;
  /** What its template could show, under Kratos's names (`recovery_code` …). */
  readonly data: JsonObject;
}

export interface Channel {
  /** Throws DeliveryRefused where the other side said no; anything else means that it could not be asked. */
  send(message: Outgoing): Promise<void>;
  close(): void;
}

/** The other side answered and said no, to this message: trying again is counted. */
export class DeliveryRefused extends Error {
  override readonly name = 'DeliveryRefused';
}
