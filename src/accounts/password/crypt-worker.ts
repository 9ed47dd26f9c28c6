/**
 * The thread in which one crypt(3) hash is computed, since node:crypto has no such function off the event loop. It is
 * given one password and its parameters, answers with the key and ends. It must never be shared: what a thread was
 * given dies with it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type CryptParameters, crypt } from './crypt.ts';

export interface CryptWork extends CryptParameters {
  readonly password: Uint8Array;
}

// Proof: verification.ts alone starts this thread, and starts it with a CryptWork.
const work = workerData as CryptWork;
parentPort?.postMessage(crypt(work.password, work));
