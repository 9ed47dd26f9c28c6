/**
 * An ordinary web app: it counts its visits in PostgreSQL. It knows nothing of Postern; it connects to
 * `localhost:$APP_PG_PORT` as it always did.
 */
import { createServer } from 'node:http';
import pg from 'pg';

const pool = new pg.Pool({
  connectionString: `postgres://postgres:password@127.0.0.1:${process.env['APP_PG_PORT'] ?? 5432}/postgres`,
  max: 1,
});
pool.on('error', (error) => console.error(`database connection lost: ${error.message}`));

async function visit(): Promise<number> {
  await pool.query('CREATE TABLE IF NOT EXISTS events (id SERIAL PRIMARY KEY, name TEXT)');
  const { rows } = await pool.query<{ id: number }>(
    "INSERT INTO events (name) VALUES ('') RETURNING id",
  );
  return rows[0]?.id ?? 0;
}

const server = createServer((request, response) => {
  if (request.url !== '/') {
    response.writeHead(404).end();
    return;
  }
  visit().then(
    (count) =>
      response
        .writeHead(201, { 'content-type': 'text/plain' })
        .end(`I've been visited ${count} times\n`),
    () =>
      response
        .writeHead(503, { 'content-type': 'text/plain' })
        .end('The database is out of reach\n'),
  );
});
server.listen(Number(process.env['APP_PORT'] ?? 5000), '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' && address !== null ? address.port : ''}`);
});
process.once('SIGTERM', () => process.exit(0));
