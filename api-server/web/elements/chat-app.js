// The whole page: who is not logged in signs in, who is has the chat.

import { fill } from "../lib/el.js";
import { problem } from "../lib/format.js";
import { View } from "../lib/view.js";
import { ChatShell } from "./chat-shell.js";
import { SignIn } from "./sign-in.js";

export class ChatApp extends View {
  /** @param {import("/client/chatapp.js").ChatClient} client */
  async run(client) {
    this.client = client;
    this.listen(client, "session", ({ user, error }) => (user ? this.#enter() : this.#ask(error && problem(error))));
    let user;
    try {
      user = await client.restore();
    } catch (error) {
      return this.#ask(problem(error));
    }
    if (user) this.#enter();
    else this.#ask();
  }

  /** @param {string} [reason] Why, where one was logged in. */
  #ask(reason) {
    for (const open of document.querySelectorAll("dialog[open]")) open.close();
    document.title = "ChatApp";
    fill(this, new SignIn(this.client, reason));
  }

  #enter() {
    fill(this, new ChatShell(this.client));
    // How it goes is told by the state of the connection.
    this.client.start().catch(() => {});
  }
}

customElements.define("chat-app", ChatApp);
