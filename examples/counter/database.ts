/** The demo's private database: PGlite behind the PostgreSQL wire protocol, on a loopback port that it prints. */
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

const db = await PGlite.create();
const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0 });
server.addEventListener('listening', (event) => {
  const detail: unknown = Reflect.get(event, 'detail');
  const port: unknown =
    typeof detail === 'object' && detail !== null ? Reflect.get(detail, 'port') : undefined;
  console.log(`listening ${String(port)}`);
});
await server.start();
process.once('SIGTERM', async () => {
  await server.stop();
  await db.close();
  process.exit(0);
});
