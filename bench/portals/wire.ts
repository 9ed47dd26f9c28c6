/** What the benchmark's processes say to each other: orders and answers over IPC, one byte on each app connection. */

/** The first byte of an app connection tells the target what to do with it: send everything back … */
export const ECHO = 0x45;
/** … send as fast as it can … */
export const SOURCE = 0x53;
/** … or take everything, answering one byte for every `RECEIPT_BYTES`. */
export const SINK = 0x4b;
export const RECEIPT_BYTES: number = 256 * 1024;

/** What a role process is to be. */
export type Order =
  | { readonly role: 'target' }
  /** One listener for each port, spliced to it. */
  | { readonly role: 'hop'; readonly ports: readonly number[] }
  | { readonly role: 'load' };

/** What the load process is to do through a port; it lasts `seconds` after a short warm-up. */
export type Load =
  | { readonly kind: 'download' | 'upload'; readonly port: number; readonly seconds: number }
  | {
      readonly kind: 'roundTrips';
      readonly port: number;
      readonly seconds: number;
      readonly connections: number;
    }
  | { readonly kind: 'connects'; readonly port: number; readonly seconds: number }
  /** Opens connections and keeps them, used once, until `release`. */
  | { readonly kind: 'hold'; readonly port: number; readonly connections: number }
  | { readonly kind: 'release' };

export interface LoadResult {
  /** Bytes, round trips or connections a second. */
  readonly rate: number;
  /** Bytes that were carried, the warm-up included. */
  readonly bytes?: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
}

export type Answer =
  | { readonly ready: readonly number[] }
  | { readonly result: LoadResult }
  | { readonly failed: string };
