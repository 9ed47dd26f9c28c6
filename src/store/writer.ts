/** The writer thread of the SQLite store: owns the one connection that writes, so that no commit blocks the main thread. */
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { WriterOrder } from './sqlite.ts';
import { openSqliteFile, type PreparedStatement, runStatement } from './sqlite-file.ts';

const port = parentPort;
const path: unknown = workerData;
if (port === null || typeof path !== 'string') throw new Error('not started as the writer thread');

const db: DatabaseSync = openSqliteFile(path);
const statements = new Map<string, PreparedStatement>();

port.on('message', (message: WriterOrder) => {
  try {
    for (const sql of message.first) runStatement(db, statements, sql, []);
    const result = runStatement(db, statements, message.sql, message.parameters);
    port.postMessage({ id: message.id, ...result });
  } catch (reason) {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    const errcode: unknown = Reflect.get(error, 'errcode');
    port.postMessage({ id: message.id, error: error.message, errcode });
  }
});
