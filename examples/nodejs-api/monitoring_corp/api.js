// Monitoring Corp.'s API: an HTTP server that knows nothing of portals. It listens on this machine only.
import { createServer } from 'node:http';

const host = process.env.API_HOST ?? '127.0.0.1';
const port = Number(process.env.API_PORT ?? 3000);

const server = createServer((request, response) => {
  const isStatus = request.method === 'GET' && request.url === '/status';
  response.writeHead(isStatus ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(isStatus ? { status: 'running' } : { error: 'not found' }));
});

server.listen(port, host, () => {
  console.log(`The API is listening on port ${port}`);
});
