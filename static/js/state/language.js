// The language of the page: its words by key, in the person's language or the one that they chose.

import { keep, kept } from "../device/storage.js";
import en from "../words/en.js";

/** Each language with its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français", ar: "العربية" };
/** Only the language that is spoken is fetched. */
const OTHERS = {
  de: () => import("../words/de.js"),
  fr: () => import("../words/fr.js"),
  ar: () => import("../words/ar.js"),
};
const RIGHT_TO_LEFT = ["ar"];
const KEY = "inkwire.language";

/** The language of the page, as its code. */
export const language = chosen() ?? preferred();
const words = (await OTHERS[language]?.())?.default ?? en;
/** Made when the first is needed: that takes longer than all else here. @type {Intl.PluralRules | undefined} */
let plural;
/** @type {Intl.NumberFormat | undefined} */
let number;

/** The language that was chosen; `undefined` where the browser's is taken. */
export function chosen() {
  const code = kept("localStorage", KEY);
  return code in LANGUAGES ? code : undefined;
}

function preferred() {
  const codes = (navigator.languages ?? []).map((code) => code.slice(0, 2));
  return codes.find((code) => code in LANGUAGES) ?? "en";
}

/** Chooses a language, for the next time that the page is loaded. @param {string | undefined} code */
export function choose(code) {
  keep("localStorage", KEY, code);
}

/**
 * The words of a key, with values in the place of their names in braces. Where `values.count` is given and the words have forms
 * for numbers, the one that the language uses for it.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const all = words[key] ?? key;
  const form = typeof all === "string" ? all : (all[formOf(Number(values.count))] ?? all.other);
  return form.replace(/\{(\w+)\}/g, (braces, name) => (name in values ? isolated(values[name]) : braces));
}

const formOf = (count) => (plural ??= new Intl.PluralRules(language)).select(count);
const formatted = (value) => (isPlain(value) ? String(value) : (number ??= new Intl.NumberFormat(language)).format(value));
/** A language in Latin letters has Latin digits. For any other one Intl is asked, which takes long the first time: 15 ms. */
const isInLatin = /^[A-Za-z\u00c0-\u024f]+$/.test(LANGUAGES[language]);
const isPlain = (value) => isInLatin && Number.isInteger(value) && value >= 0 && value < 1000;

/** What turns or sets apart the text behind it, which could end the isolation that it is put into (Unicode's annex 9). */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;
/** A value that somebody else wrote must not turn the sentence around it. */
const isolated = (value) => (typeof value === "number" ? formatted(value) : `\u2068${String(value).replace(TURNS, "")}\u2069`);

/**
 * Puts the words of the page in its place: `data-words` is the key of an element's text, `data-label` of its name, `data-hint`
 * of what is said of it where its text is its name.
 */
export function translatePage(root = document) {
  document.documentElement.lang = language;
  document.documentElement.dir = RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr";
  for (const element of root.querySelectorAll("[data-words]")) element.textContent = t(element.dataset.words);
  for (const element of root.querySelectorAll("[data-hint]")) element.title = t(element.dataset.hint);
  for (const element of root.querySelectorAll("[data-label]")) label(element, t(element.dataset.label));
}

/** Gives an element a name that is seen and read. */
export function label(element, words) {
  element.title = words;
  element.setAttribute("aria-label", words);
}
