// Sheets, buttons and dates as all panels have them.

import { language, t } from "../state/language.js";

/** Returns a moment for people. @param {number} ms since 1970 */
export const date = (ms) => new Date(ms).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });

/** Returns a button that does something about somebody or something of that name. @param {string} words a key of the page's words */
export function button(words, name, act) {
  const it = document.createElement("button");
  it.type = "button";
  it.textContent = t(words);
  it.setAttribute("aria-label", `${t(words)}: ${name}`);
  it.addEventListener("click", act);
  return it;
}

/** Opens a sheet in the place of any other one, at its top. @param {HTMLDialogElement} sheet */
export function openSheet(sheet) {
  for (const other of document.querySelectorAll("dialog[open]")) if (other !== sheet) other.close();
  if (!sheet.open) sheet.showModal();
  // A browser gives what scrolls the focus, and scrolls to it.
  sheet.scrollTop = 0;
}
