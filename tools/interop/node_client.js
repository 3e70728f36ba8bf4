// The WebSocket of browsers as a client: Node's own, or that of the package undici.
//
//   node_client.js own|undici version       prints undici's version, which Node's own comes from too
//   node_client.js own|undici exchange URL  text, binary, empty, 1 MiB, close
//   node_client.js own|undici await-close URL CODE REASON
//   node_client.js own|undici too-large URL BYTES    a message above that many is refused with 1009
//
// The package is at HALFPIPE_UNDICI_MODULE, or where node finds it. Says "extensions" and what was
// agreed on, then "did CASE" for each case that went as it should. Status 0 if all did; else the
// reason is on standard error.
'use strict';
const assert = require('assert');

const [whose, mode, ...rest] = process.argv.slice(2);
const own = whose === 'own';
const place = process.env.HALFPIPE_UNDICI_MODULE || 'undici';
const WebSocket = own ? globalThis.WebSocket : require(place).WebSocket;

const once = (socket, name) =>
    new Promise(resolve => socket.addEventListener(name, resolve, {once: true}));

async function open(url) {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('error', event => console.error(event.error || event));
  await Promise.race([once(socket, 'open'), once(socket, 'close')]);
  assert.strictEqual(socket.readyState, WebSocket.OPEN);
  console.log(`extensions ${socket.extensions}`);
  return socket;
}

async function expectEcho(socket, message) {
  const answer = once(socket, 'message');
  socket.send(message);
  const {data} = await answer;
  assert.strictEqual(typeof data, typeof message);
  if (typeof data === 'string') {
    assert.ok(data === message, `an echo of ${data.length} differs`);
  } else {
    assert.ok(Buffer.from(data).equals(message), `an echo of ${data.byteLength} bytes differs`);
  }
}

async function exchange(url) {
  const socket = await open(url);
  // Text that repeats itself, within a message and from one to the next.
  for (let i = 0; i < 20; i++) {
    const text = Array.from({length: 50 * i}, (_, j) => `{"id": ${i * j % 97}}`).join();
    await expectEcho(socket, i % 2 ? Buffer.from(text) : text);
  }
  console.log('did repetition');
  for (const [name, message] of [
    ['text', 'h\u00e9llo'], ['binary', Buffer.from([0, 255, 128])],
    ['empty', ''], ['empty', Buffer.alloc(0)],
    ['1 MiB', 'm'.repeat(1 << 20)], ['1 MiB', Buffer.alloc(1 << 20, 'm')],
  ]) {
    await expectEcho(socket, message);
    console.log(`did ${name}`);
  }
  const closed = once(socket, 'close');
  socket.close(4001, 'bye from the client');
  assert.strictEqual((await closed).code, 4001);
  console.log('did close');
}

async function awaitClose(url, code, reason) {
  const socket = await open(url);
  const closed = once(socket, 'close');
  console.log('open');
  const event = await closed;
  assert.deepStrictEqual([event.code, event.reason], [Number(code), reason]);
}

async function tooLarge(url, bytes) {
  const socket = await open(url);
  await expectEcho(socket, Buffer.alloc(Number(bytes)));
  console.log('did a message at the limit');
  const closed = once(socket, 'close');
  socket.send(Buffer.alloc(Number(bytes) + 1));
  assert.strictEqual((await closed).code, 1009);
  console.log('did 1009 above it');
}

async function version() {
  assert.strictEqual(typeof WebSocket, 'function');
  console.log(own ? process.versions.undici : require(`${place}/package.json`).version);
}

const run = {exchange, version, 'await-close': awaitClose, 'too-large': tooLarge}[mode];
// Node ends with 0 when nothing is left to wait for.
process.exitCode = 1;
run(...rest).then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
