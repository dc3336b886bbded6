// A relay on Bun: its own publish and subscribe.

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    if (!server.upgrade(request, { data: new URL(request.url).pathname })) return new Response("", { status: 400 });
  },
  websocket: {
    open: (socket) => socket.subscribe(socket.data),
    message: (socket, message) => server.publish(socket.data, message),
  },
});
console.log(`bun: listening at ws://127.0.0.1:${server.port}/`);
