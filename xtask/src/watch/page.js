// In the page while `cargo xtask watch` runs: takes style sheets over, loads the page anew when all ink is away, and shows what
// the compiler says. No build for release has it.

const source = new URL(document.currentScript.src).origin;
const stream = new EventSource(`${source}/events`);
let known;
let overlay;

/** How often it is looked whether all ink is away, in milliseconds. */
const LOOK = 50;

/** Whether the server has everything that was drawn here. */
function isAway() {
  const status = document.querySelector("#status");
  return (status?.dataset.unsent ?? "0") === "0";
}

let waiting;

function reload() {
  clearTimeout(waiting);
  if (isAway()) location.reload();
  else waiting = setTimeout(reload, LOOK);
}

/** The new sheet stands beside the old one until it is there, so that the page is never without one. */
function takeStyle(path) {
  const name = path.split("/").pop();
  for (const link of document.querySelectorAll('link[rel="stylesheet"]')) {
    const url = new URL(link.href);
    if (!url.pathname.endsWith(`/${name}`)) continue;
    url.searchParams.set("watch", Date.now());
    const fresh = link.cloneNode();
    fresh.href = url.href;
    fresh.addEventListener("load", () => link.remove());
    link.after(fresh);
  }
}

function show(errors) {
  overlay?.remove();
  overlay = undefined;
  if (!errors.length) return;
  overlay = document.createElement("inkwire-watch");
  const shadow = overlay.attachShadow({ mode: "open" });
  // The page's policy forbids styles in elements, and not those that a script makes.
  const style = new CSSStyleSheet();
  style.replaceSync(`
    section { position: fixed; inset: 0; z-index: 2147483647; overflow: auto; padding: 2rem; background: #1b1b1fee; color: #eee;
      font: 14px/1.5 ui-monospace, monospace; }
    h1 { font: inherit; font-weight: bold; color: #ff7b72; margin: 0 0 1rem; }
    h2 { font: inherit; color: #79c0ff; margin: 1rem 0 0; }
    pre { white-space: pre-wrap; margin: 0; }`);
  shadow.adoptedStyleSheets = [style];
  const section = document.createElement("section");
  section.setAttribute("role", "alertdialog");
  section.setAttribute("aria-label", "The build fails");
  const title = document.createElement("h1");
  title.textContent = "The build fails; what is served is the last good one. Escape hides this.";
  section.append(title);
  for (const { place, text } of errors) {
    const where = document.createElement("h2");
    where.textContent = place ?? "";
    const what = document.createElement("pre");
    what.textContent = text;
    section.append(where, what);
  }
  shadow.append(section);
  document.body.append(overlay);
}

addEventListener("keydown", (event) => event.key === "Escape" && show([]));

stream.addEventListener("state", ({ data }) => {
  const { build, page, errors } = JSON.parse(data);
  show(errors);
  const is = `${build}/${page}`;
  if (known !== undefined && known !== is) reload();
  known = is;
});

stream.addEventListener("style", ({ data }) => takeStyle(JSON.parse(data)));
