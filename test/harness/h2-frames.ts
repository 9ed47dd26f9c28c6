/** HTTP/2 frames made by hand (RFC 9113 section 6), to send in one write what no library would send. */

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function preface(): Buffer {
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, 0, Buffer.alloc(0)),
  ]);
}

/** HEADERS with END_HEADERS; literals without indexing (RFC 7541 section 6.2.2), names and values below 127 bytes. */
export function headers(stream: number, fields: readonly (readonly [string, string])[]): Buffer {
  const literals = fields.flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([Buffer.byteLength(value, 'latin1')]),
    Buffer.from(value, 'latin1'),
  ]);
  return frame(1, 4, stream, Buffer.concat(literals));
}

/** RST_STREAM with CANCEL. */
export function reset(stream: number): Buffer {
  return frame(3, 0, stream, Buffer.from([0, 0, 0, 8]));
}
