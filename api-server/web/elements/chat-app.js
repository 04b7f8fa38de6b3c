// The whole page: who is not logged in signs in, who is has the chat.

import { toast } from "../lib/dialog.js";
import { fill } from "../lib/el.js";
import { problem } from "../lib/format.js";
import { View } from "../lib/view.js";
import { ChatShell } from "./chat-shell.js";
import { SignIn } from "./sign-in.js";

export class ChatApp extends View {
  /** @param {import("/client/chatapp.js").ChatClient} client */
  async run(client) {
    this.client = client;
    const [, kind, token] = /^#\/(reset|verify)\/([^/]+)$/.exec(location.hash) ?? [];
    // The address is not to be kept, nor to be used twice.
    if (kind) history.replaceState(null, "", "/");
    if (kind === "verify") await this.#verify(token);
    this.listen(client, "session", ({ user, error }) => (user ? this.#enter() : this.#ask(error && problem(error))));
    let user;
    try {
      user = await client.restore();
    } catch (error) {
      return this.#ask(problem(error));
    }
    if (kind === "reset") this.#ask(undefined, token);
    else if (user) this.#enter();
    else this.#ask();
  }

  /** With the token of a letter (`auth.verify_url` as `https://…/#/verify/{token}`). */
  async #verify(token) {
    try {
      await this.client.account.verifyEmail(token);
      toast("Your e-mail address is verified.");
    } catch (error) {
      toast(problem(error));
    }
  }

  /** @param {string} [reason] Why, where one was logged in. @param {string} [resetToken] Of a letter about a lost password. */
  #ask(reason, resetToken) {
    for (const open of document.querySelectorAll("dialog[open]")) open.close();
    document.title = "ChatApp";
    fill(this, new SignIn(this.client, reason, resetToken));
  }

  #enter() {
    fill(this, new ChatShell(this.client));
    // How it goes is told by the state of the connection.
    this.client.start().catch(() => {});
  }
}

customElements.define("chat-app", ChatApp);
