// Signing up, logging in, looking around as a guest; a lost password.

import { el, field, fill, icon } from "../lib/el.js";
import { problem } from "../lib/format.js";
import { View } from "../lib/view.js";

const WAYS = { login: "Log in", signup: "Sign up", guest: "Guest" };

export class SignIn extends View {
  #client;
  #reason;
  #resetToken;
  /** @type {"login" | "signup" | "guest" | "forgot" | "reset"} */
  #way = "login";

  /** @param {import("/client/chatapp.js").ChatClient} client @param {string} [reason] @param {string} [resetToken] */
  constructor(client, reason, resetToken) {
    super();
    this.#resetToken = resetToken;
    if (resetToken !== undefined) this.#way = "reset";
    this.#client = client;
    this.#reason = reason;
  }

  shown() {
    this.#draw();
    this.querySelector("input")?.focus();
  }

  #draw() {
    const ways = Object.entries(WAYS).map(([way, label]) =>
      el("button.tab", { type: "button", "aria-pressed": String(way === this.#way), onclick: () => this.#choose(way) }, label),
    );
    const title = { login: "Welcome back", signup: "Create an account", guest: "Look around", forgot: "Lost password", reset: "Choose a new password" };
    fill(
      this,
      el(
        "main.sign-in",
        {},
        el("div.brand", {}, icon("chat"), el("span", {}, "ChatApp")),
        el("h1", {}, title[this.#way]),
        this.#reason && el("p.notice", { role: "alert" }, this.#reason),
        el("div.tabs", { role: "group", "aria-label": "How to come in" }, ways),
        this.#form(),
      ),
    );
  }

  #choose(way) {
    this.#way = way;
    this.#reason = undefined;
    this.#draw();
    this.querySelector("form input")?.focus();
  }

  #form() {
    const name = field("Username", { name: "username", autocomplete: "username", required: true, maxlength: 32, autocapitalize: "none" });
    const email = field("E-mail", { name: "email", type: "email", autocomplete: "email", required: true });
    const isNew = ["signup", "reset"].includes(this.#way);
    const password = field(
      "Password",
      { name: "password", type: "password", autocomplete: isNew ? "new-password" : "current-password", required: true },
      isNew ? "At least 8 characters; a few words are best." : undefined,
    );
    const shown = field("Name (optional)", { name: "displayName", autocomplete: "name", maxlength: 50 }, "How others see you.");
    const wish = field("Name (optional)", { name: "wish", maxlength: 32, autocapitalize: "none" }, "A guest account lasts as long as it is used.");
    const rows = { login: [name, password], signup: [name, shown, email, password], guest: [wish], forgot: [email], reset: [password] }[this.#way];
    const label = { login: "Log in", signup: "Sign up", guest: "Come in", forgot: "Send me a letter", reset: "Set the password" }[this.#way];
    const error = el("p.error", { role: "alert" });
    const submit = el("button.button.primary.wide", { type: "submit" }, label);
    const forgot = el("button.link", { type: "button", onclick: () => this.#choose("forgot") }, "Forgot your password?");
    const onsubmit = async (event) => {
      event.preventDefault();
      submit.disabled = true;
      error.textContent = "";
      try {
        await this.#submit({
          username: (this.#way === "guest" ? wish : name).input.value.trim() || undefined,
          email: email.input.value.trim(),
          password: password.input.value,
          displayName: shown.input.value.trim() || undefined,
        });
      } catch (thrown) {
        error.textContent = problem(thrown);
      }
      submit.disabled = false;
    };
    return el("form", { onsubmit, novalidate: true }, rows.map(({ row }) => row), error, submit, this.#way === "login" && forgot);
  }

  /** Something is done; one goes on by logging in. */
  #say(reason) {
    this.#way = "login";
    this.#reason = reason;
    this.#draw();
    this.querySelector("form input")?.focus();
  }

  async #submit({ username, email, password, displayName }) {
    switch (this.#way) {
      case "login":
        // An address has an @, a name has none.
        return this.#client.logIn(username?.includes("@") ? { email: username, password } : { username, password });
      case "signup":
        return this.#client.signUp({ username: username ?? "", email, password, displayName });
      case "guest":
        return this.#client.guest(username === undefined ? {} : { username });
      case "forgot":
        await this.#client.account.forgotPassword(email);
        return this.#say("If there is an account with this address, a letter is on its way.");
      case "reset":
        await this.#client.account.resetPassword(this.#resetToken ?? "", password);
        return this.#say("The password is set: log in with it.");
    }
  }
}

customElements.define("sign-in", SignIn);
