/** An app's side of a connection, with its end told apart from a reset. */
import net from 'node:net';

/** Sends bytes and half-closes; answers what came back. Rejects when the connection is reset, refused or silent. */
export function exchange(port: number, bytes: Buffer, timeoutMs: number = 20_000): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const s = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    s.setTimeout(timeoutMs, () => s.destroy(new Error('timeout')));
    s.on('error', reject);
    s.on('data', (c) => chunks.push(c));
    s.on('end', () => resolve(Buffer.concat(chunks)));
    s.on('close', () => reject(new Error('closed')));
    s.end(bytes);
  });
}

/** The same with text. */
export async function ask(port: number, text: string): Promise<string> {
  return (await exchange(port, Buffer.from(text))).toString();
}
