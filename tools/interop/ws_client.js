// The npm package ws as a client.
//
//   ws_client.js exchange URL               text, binary, 1 MiB, fragments, ping, close
//   ws_client.js await-close URL CODE REASON
//   ws_client.js deflate URL DEFLATE        exchange, compressed; DEFLATE: its options, as JSON
//
// Status 0 if everything was as it should be; else the reason is on standard error.
'use strict';
const assert = require('assert');
const WebSocket = require(process.env.HALFPIPE_WS_MODULE || 'ws');

const closeOf = socket => new Promise(
    resolve => socket.once('close', (code, reason) => resolve([code, reason.toString()])));

function open(url, perMessageDeflate = false) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {perMessageDeflate});
    socket.once('upgrade', response => {
      socket.agreed = response.headers['sec-websocket-extensions'] || '';
    });
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

const messageOf = socket =>
    new Promise(resolve => socket.once('message', (data, isBinary) => resolve({data, isBinary})));

async function expectEcho(socket, binary, pieces) {
  const answer = messageOf(socket);
  pieces.forEach((piece, i) => socket.send(piece, {binary, fin: i === pieces.length - 1}));
  const {data, isBinary} = await answer;
  assert.strictEqual(isBinary, binary);
  assert.ok(data.equals(Buffer.concat(pieces)), `an echo of ${data.length} bytes differs`);
}

async function deflate(url, options) {
  const socket = await open(url, JSON.parse(options));
  console.log(`extensions ${socket.agreed}`);
  // Text that repeats itself, within a message and from one to the next.
  for (let i = 0; i < 20; i++) {
    const text = Array.from({length: 50 * i}, (_, j) => `{"id": ${i * j % 97}}`).join();
    await expectEcho(socket, i % 2 === 1, [Buffer.from(text)]);
  }
  console.log('did repetition');
  // As it is, between compressed ones.
  const answer = messageOf(socket);
  socket.send('plain', {compress: false});
  assert.strictEqual((await answer).data.toString(), 'plain');
  console.log('did uncompressed between');
  await exchangeOn(socket);
}

async function exchange(url) {
  await exchangeOn(await open(url));
}

async function exchangeOn(socket) {
  const cases = [
    ['text', false, ['h\xc3\xa9llo']],
    ['binary', true, ['\x00\xff\x80']],
    ['empty', false, ['']],
    ['empty', true, ['']],
    ['1 MiB', false, ['m'.repeat(1 << 20)]],
    ['1 MiB', true, ['m'.repeat(1 << 20)]],
    // The cut is within a character.
    ['fragments', false, ['a', '\xc3', '\xa9', '', 'b']],
    ['fragments', true, ['a', '\xc3', '\xa9', '', 'b']],
  ];
  for (const [name, binary, pieces] of cases) {
    await expectEcho(socket, binary, pieces.map(piece => Buffer.from(piece, 'latin1')));
    console.log(`did ${name}`);
  }
  const pong = new Promise(resolve => socket.once('pong', resolve));
  socket.ping('are you there');
  assert.strictEqual((await pong).toString(), 'are you there');
  await expectEcho(socket, false, [Buffer.from('after the ping')]);
  console.log('did ping');
  const closed = closeOf(socket);
  socket.close(4001, 'bye from the client');
  // The answer repeats the code; a reason need not come back.
  assert.strictEqual((await closed)[0], 4001);
  console.log('did close');
}

async function awaitClose(url, code, reason) {
  const socket = await open(url);
  const closed = closeOf(socket);
  console.log('open');
  assert.deepStrictEqual(await closed, [Number(code), reason]);
}

async function tooLarge(url, bytes, options) {
  const socket = await open(url, options ? JSON.parse(options) : false);
  await expectEcho(socket, true, [Buffer.alloc(Number(bytes))]);
  console.log('did a message at the limit');
  const closed = closeOf(socket);
  // The connection may end while it is still being sent.
  socket.on('error', () => {});
  socket.send(Buffer.alloc(Number(bytes) + 1));
  assert.strictEqual((await closed)[0], 1009);
  console.log('did 1009 above it');
}

async function outlive(url) {
  const idle = await open(url);
  const ended = closeOf(idle);
  const alive = await open(url);
  const pings = setInterval(() => alive.ping(), 200);
  assert.strictEqual((await ended)[0], 1006);
  console.log('did an end without pings');
  await expectEcho(alive, false, [Buffer.from('still here')]);
  clearInterval(pings);
  console.log('did a longer life with pings');
}

const [mode, ...rest] = process.argv.slice(2);
const run = {exchange, deflate, 'await-close': awaitClose, 'too-large': tooLarge, outlive}[mode];
// Node ends with 0 when nothing is left to wait for.
process.exitCode = 1;
run(...rest).then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
