// A relay on Node's ws, as it is by default: each message goes to everybody in its room, one frame at a time.

import { WebSocketServer } from "ws";

const rooms = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () => {
  console.log(`ws: listening at ws://127.0.0.1:${server.address().port}/`);
});
server.on("connection", (socket, request) => {
  if (!rooms.has(request.url)) rooms.set(request.url, new Set());
  const room = rooms.get(request.url);
  room.add(socket);
  socket.on("message", (data, isBinary) => room.forEach((member) => member.send(data, { binary: isBinary })));
  socket.on("close", () => room.delete(socket));
});
