// Dark or light: the system's, unless one was chosen here.

const KEY = "chatapp.theme";

/** @returns {"system" | "light" | "dark"} */
export function theme() {
  try {
    return localStorage.getItem(KEY) ?? "system";
  } catch {
    return "system";
  }
}

/** @param {"system" | "light" | "dark"} [chosen] */
export function applyTheme(chosen = theme()) {
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // It holds until the page is left.
  }
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
