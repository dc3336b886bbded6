// The start page: the boards that were opened in this browser. Who has opened none is taken to a new one at once.

// First, because the words of another language are waited for.
import "./state/theme.js";
import { forgetBoard, openedBoards } from "./device/boards.js";
import { label, language, t, translatePage } from "./state/language.js";

const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** @param {import("./device/boards.js").Opened} board */
function card({ name, at, picture }) {
  const line = document.createElement("li");
  const link = document.createElement("a");
  link.href = `b/${name}`;
  const image = document.createElement(picture ? "img" : "span");
  image.className = "thumbnail";
  if (picture) Object.assign(image, { src: picture, alt: "" });
  const [title, date] = [document.createElement("strong"), document.createElement("small")];
  title.textContent = name;
  date.textContent = t("openedOn", { date: dates.format(at) });
  link.append(image, title, date);
  const forget = document.createElement("button");
  forget.type = "button";
  forget.textContent = "×";
  label(forget, t("forget", { name }));
  forget.addEventListener("click", () => {
    forgetBoard(name);
    show();
  });
  line.append(link, forget);
  return line;
}

function show() {
  const boards = openedBoards();
  document.querySelector("#opened").replaceChildren(...boards.map(card));
  document.querySelector("#none-opened").hidden = boards.length > 0;
}

function open(event) {
  event.preventDefault();
  const name = document.querySelector("#board-to-open").value.trim();
  if (/^[A-Za-z0-9_-]{1,64}$/.test(name)) location.assign(`b/${name}`);
  else badName();
}

const badName = () => (document.querySelector("#bad-name").textContent = t("badName"));

translatePage();
document.title = `${t("startTitle")} – Inkwire`;
document.querySelector("#open-named").addEventListener("submit", open);
if (openedBoards().length === 0 && !location.hash) location.replace("new");
else show();
// The server has sent somebody here whose board cannot be.
if (location.hash === "#badName") badName();
