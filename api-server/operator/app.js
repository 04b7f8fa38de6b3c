// The operator's page: log in, then four views.

import { api } from './api.js';
import { el } from './dom.js';
import { explain } from './views/explain.js';
import { overview } from './views/overview.js';
import { rooms } from './views/rooms.js';
import { users } from './views/users.js';

const VIEWS = [
  ['overview', 'Overview', overview],
  ['users', 'Users', users],
  ['rooms', 'Rooms', rooms],
  ['explain', 'Explain', explain],
];

class OperatorApp extends HTMLElement {
  #leave = () => {};
  #status = el('p.status', { role: 'status', 'aria-live': 'polite' });

  connectedCallback() {
    api.addEventListener('end', () => this.#show());
    addEventListener('hashchange', () => this.#show());
    this.#show();
  }

  /** Says what was done, or why it was not. */
  say(text, bad = false) {
    this.#status.textContent = text;
    this.#status.classList.toggle('bad', bad);
  }

  #show() {
    this.#leave();
    this.#leave = () => {};
    this.say('');
    if (!api.loggedIn) {
      this.replaceChildren(this.#logIn());
      return;
    }
    const [hash, argument] = location.hash.slice(1).split('/', 2).map(decodeURIComponent);
    const [id, title, view] = VIEWS.find(([name]) => name === hash) ?? VIEWS[0];
    const links = VIEWS.map(([name, text]) =>
      el('a', { href: `#${name}`, 'aria-current': name === id ? 'page' : undefined }, text));
    const main = el('main', { id: 'main', tabIndex: -1 }, el('h1', {}, title));
    this.replaceChildren(
      el('header', {},
        el('strong.brand', {}, el('img', { src: '/operator/icon.svg', alt: '', width: 24, height: 24 }), 'ChatApp operator'),
        el('nav', { 'aria-label': 'Views' }, links),
        el('span.who', {}, el('span', {}, api.name), el('button.quiet', { onclick: () => api.logOut() }, 'Log out'))),
      this.#status,
      main);
    document.title = `${title} · ChatApp operator`;
    this.#leave = view(main, this, argument) ?? (() => {});
  }

  #logIn() {
    const problem = el('p.bad', { role: 'alert' });
    const name = el('input', { name: 'name', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: false });
    const password = el('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
    const button = el('button', {}, 'Log in');
    const onsubmit = async (event) => {
      event.preventDefault();
      problem.textContent = '';
      button.disabled = true;
      try {
        await api.logIn(name.value, password.value);
        this.#show();
        this.querySelector('main')?.focus();
      } catch (e) {
        problem.textContent = e.status === 403 && e.code === 'FORBIDDEN' && e.message.includes('administrators')
          ? 'This account is no administrator. An operator makes it one: chatapp admin users grant NAME'
          : e.message;
        password.focus();
      } finally {
        button.disabled = false;
      }
    };
    document.title = 'Log in · ChatApp operator';
    return el('main.login', { id: 'main' },
      el('form.card', { onsubmit },
        el('img', { src: '/operator/icon.svg', alt: '', width: 48, height: 48 }),
        el('h1', {}, 'ChatApp operator'),
        el('label', {}, 'Name or e-mail', name),
        el('label', {}, 'Password', password),
        problem, button));
  }
}

customElements.define('operator-app', OperatorApp);
