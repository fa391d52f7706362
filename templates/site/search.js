// Search in this site alone: the index lies beside the pages, and no word that is typed leaves the device.
const form = document.querySelector("form[data-index]");
const list = document.querySelector("#found");
const said = document.querySelector("#said");
const more = document.querySelector("#more");
const PAGE = 10;
let engine, results = [], asked = 0;

async function load() {
  engine ??= import(form.dataset.index).then(async (made) => {
    await made.options({ excerptLength: 28 });
    await made.init();
    return made;
  });
  return engine;
}

// Pagefind marks the words it found with <mark>; everything else is text.
function marked(excerpt) {
  const piece = document.createElement("p");
  const read = new DOMParser().parseFromString(excerpt, "text/html");
  for (const node of read.body.childNodes) {
    const into = node.nodeName === "MARK" ? document.createElement("mark") : document.createTextNode("");
    into.textContent = node.textContent;
    piece.append(into);
  }
  return piece;
}

function row(found) {
  const item = document.createElement("li");
  const words = document.createElement("div");
  const head = document.createElement("h2");
  const link = document.createElement("a");
  words.className = "words";
  link.href = new URL(found.url, location.origin).pathname;
  link.textContent = found.meta.title;
  head.append(link);
  words.append(head, marked(found.excerpt));
  item.append(words);
  return item;
}

async function show() {
  const mine = asked;
  const next = results.slice(list.children.length, list.children.length + PAGE);
  const rows = await Promise.all(next.map((each) => each.data()));
  if (mine !== asked) return;
  list.append(...rows.map(row));
  more.hidden = list.children.length >= results.length;
}

async function search(words) {
  const mine = ++asked;
  const text = words.trim();
  // Behind the "#", so that not even a reload sends it to our own server.
  history.replaceState(null, "", text ? `#q=${encodeURIComponent(text)}` : location.pathname);
  try {
    const found = text ? await (await load()).search(text) : { results: [] };
    if (mine !== asked) return;
    results = found.results;
    list.replaceChildren();
    await show();
    if (mine === asked) said.textContent = text ? said.dataset.found.replace("%n", results.length) : "";
  } catch {
    said.textContent = said.dataset.failed;
  }
}

let pause;
form.hidden = false;
document.querySelector("#plain").hidden = true;
form.elements.q.addEventListener("focus", load, { once: true });
form.elements.q.addEventListener("input", (event) => {
  clearTimeout(pause);
  pause = setTimeout(() => search(event.target.value), 200);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(pause);
  search(form.elements.q.value);
});
more.addEventListener("click", async () => {
  const first = list.children.length;
  await show();
  list.children[first]?.querySelector("a").focus();
});
const before = new URLSearchParams(location.hash.slice(1)).get("q");
if (before) {
  form.elements.q.value = before;
  search(before);
}
