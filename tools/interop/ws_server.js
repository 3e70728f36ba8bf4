// The npm package ws as an echo server. What it does with a connection is in README.md.
//
//   ws_server.js [DEFLATE]    DEFLATE: its options of permessage-deflate, as JSON
'use strict';
const {WebSocketServer} = require(process.env.HALFPIPE_WS_MODULE || 'ws');

const perMessageDeflate = process.argv[2] ? JSON.parse(process.argv[2]) : false;
const server = new WebSocketServer({host: '127.0.0.1', port: 0, perMessageDeflate},
    () => console.log(`port ${server.address().port}`));

let agreed = '';
server.on('headers', headers => {
  agreed = headers.find(line => /^Sec-WebSocket-Extensions:/i.test(line)) || '';
});

server.on('connection', (socket, request) => {
  console.log(`connection ${request.url} ${request.headers.host}`);
  if (perMessageDeflate) console.log(`extensions ${agreed}`);
  socket.on('pong', data => console.log(`pong ${data}`));
  socket.on('close', (code, reason) => console.log(`closed ${code} ${reason}`));
  socket.on('error', error => console.log(`error ${error.message}`));
  socket.on('message', (data, isBinary) => {
    const text = isBinary ? '' : data.toString();
    if (text === 'ping me') {
      socket.ping('from the server');
    } else if (text === 'close me') {
      socket.close(4002, 'as asked');
    } else if (text === 'cut it') {
      ['in ', 'three ', 'pieces'].forEach((piece, i) => socket.send(piece, {fin: i === 2}));
    } else {
      socket.send(data, {binary: isBinary});
    }
  });
});

process.stdin.resume().on('end', () => process.exit(0));
