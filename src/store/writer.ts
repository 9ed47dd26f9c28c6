/** The writer thread of the SQLite store: owns the one connection that writes, so that no commit blocks the main thread. */
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { WriterAnswer, WriterOrder } from './sqlite.ts';
import { openSqliteFile, type PreparedStatement, runStatement } from './sqlite-file.ts';

const port = parentPort;
const path: unknown = workerData;
if (port === null || typeof path !== 'string') throw new Error('not started as the writer thread');

const db: DatabaseSync = openSqliteFile(path);
const statements = new Map<string, PreparedStatement>();

function answered({ id, first, sql, parameters }: WriterOrder): WriterAnswer {
  let hasPreceded = false;
  try {
    for (const statement of first) runStatement(db, statements, statement, []);
    hasPreceded = true;
    return { id, hasPreceded, ...runStatement(db, statements, sql, parameters) };
  } catch (reason) {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    const errcode: unknown = Reflect.get(error, 'errcode');
    return { id, hasPreceded, error: error.message, errcode };
  }
}

port.on('message', (order: WriterOrder) => port.postMessage(answered(order)));
