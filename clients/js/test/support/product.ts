// What a product in TypeScript writes; compiled by types.test.js, never run.

import { ChatClient, ChatError, type Message, type Room } from "chatapp-client";

declare const product: { token(options: { fresh: boolean }): Promise<string> };

const client = new ChatClient({
  api: "https://chat.example.org",
  token: ({ refused }) => product.token({ fresh: refused !== undefined }),
});

client.on("message", ({ room, message }) => {
  const author: string = message.username;
  console.log(room.info.name ?? author, message.content, room.unread);
});
client.on("connection", ({ state, retryAt }) => console.log(state === "waiting" ? retryAt : state));

export async function say(room: Room, text: string, files: File[]): Promise<Message | undefined> {
  try {
    await room.send({ content: text, files });
  } catch (error) {
    if (error instanceof ChatError && error.isTemporary) return room.messages.find((one) => one.pending?.error === error);
    throw error;
  }
  // @ts-expect-error there is no such event
  client.on("massage", () => {});
  return room.lastMessage;
}
