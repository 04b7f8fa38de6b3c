// Asks api-server as the one who logged in. The tokens live as long as this tab.

const KEPT = 'chatapp.operator';

/** What the server refused, in its words. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? `the server answered ${status}`);
    this.status = status;
    this.code = problem?.code;
  }
}

class Api extends EventTarget {
  #tokens = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
  #refreshing = null;

  get loggedIn() {
    return this.#tokens !== null;
  }

  get name() {
    return this.#tokens?.name ?? '';
  }

  async logIn(name, password) {
    const by = name.includes('@') ? { email: name } : { username: name };
    const signedIn = await this.#ask('POST', '/api/login', { ...by, password });
    this.#keep(signedIn);
    try {
      await this.get('/api/admin/stats');
    } catch (e) {
      await this.logOut();
      throw e;
    }
  }

  async logOut() {
    await this.#ask('POST', '/api/logout', undefined, this.#tokens?.token).catch(() => {});
    this.#forget();
  }

  get(path) {
    return this.#authorised('GET', path);
  }

  send(method, path, body) {
    return this.#authorised(method, path, body);
  }

  async #authorised(method, path, body) {
    if (!this.#tokens) throw new Refused(401, { detail: 'log in' });
    try {
      return await this.#ask(method, path, body, this.#tokens.token);
    } catch (e) {
      if (e.status !== 401) throw e;
    }
    await this.#refresh();
    return this.#ask(method, path, body, this.#tokens.token);
  }

  /** Once for all that wait for it. */
  #refresh() {
    this.#refreshing ??= (async () => {
      try {
        this.#keep(await this.#ask('POST', '/api/token/refresh', { refreshToken: this.#tokens.refresh }));
      } catch (e) {
        if (e.status === 401 || e.status === 403) this.#forget();
        throw e;
      } finally {
        this.#refreshing = null;
      }
    })();
    return this.#refreshing;
  }

  async #ask(method, path, body, token) {
    const headers = {};
    if (token) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const signal = AbortSignal.timeout(15_000);
    const answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    const json = answer.headers.get('content-type')?.includes('json');
    if (!answer.ok) throw new Refused(answer.status, json ? await answer.json() : undefined);
    return json ? answer.json() : answer.text();
  }

  #keep(signedIn) {
    this.#tokens = { name: signedIn.user.username, token: signedIn.token, refresh: signedIn.refreshToken };
    sessionStorage.setItem(KEPT, JSON.stringify(this.#tokens));
  }

  #forget() {
    this.#tokens = null;
    sessionStorage.removeItem(KEPT);
    this.dispatchEvent(new Event('end'));
  }
}

export const api = new Api();
