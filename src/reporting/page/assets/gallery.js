/* The gallery holds only the cards in sight: rows of equal height, placed by their number. */
const GAP = 14;
const AHEAD = 2;
const PRINTED = 400;
const gallery = { shown: [], columns: 1, width: 0, row: 0, nodes: new Map() };
const mostPictures = Math.min(6, many ? many.pictures : Math.max(1, ...cards.map((card) => picturesOf(card).length)));

function measure() {
  const width = $("grid").clientWidth;
  const wanted = Math.max(264, mostPictures * 128);
  gallery.columns = Math.max(1, Math.floor((width + GAP) / (wanted + GAP)));
  gallery.width = (width - GAP * (gallery.columns - 1)) / gallery.columns;
  const thumb = Math.min(220, (gallery.width - 27 - 6 * (mostPictures - 1)) / mostPictures);
  gallery.row = Math.round(Math.max(72, thumb) + 20 + 148 + GAP);
  $("grid").style.setProperty("--thumb", `${thumb}px`);
}

function showCards() {
  gallery.shown = chosen();
  $("count").textContent = word("shown_of", gallery.shown.length, cards.length);
  $("none").hidden = gallery.shown.length > 0;
  refresh();
}

/* Draws everything in sight anew. */
function refresh() {
  measure();
  gallery.nodes.clear();
  $("grid").replaceChildren();
  $("grid").style.height = `${Math.ceil(gallery.shown.length / gallery.columns) * gallery.row}px`;
  paint();
}

function paint() {
  const top = $("grid").getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(-top / gallery.row) - AHEAD) * gallery.columns;
  const last = Math.min(gallery.shown.length, (Math.ceil((innerHeight - top) / gallery.row) + AHEAD) * gallery.columns);
  for (const [position, node] of gallery.nodes) {
    if ((position < first || position >= last) && node !== document.activeElement) {
      node.remove();
      gallery.nodes.delete(position);
    }
  }
  for (let position = first; position < last; position++) nodeAt(position);
}

function nodeAt(position) {
  if (!gallery.nodes.has(position)) {
    const node = cardNode(gallery.shown[position], position);
    node.style.transform = `translate(${(position % gallery.columns) * (gallery.width + GAP)}px, ${Math.floor(position / gallery.columns) * gallery.row}px)`;
    node.style.width = `${gallery.width}px`;
    node.style.height = `${gallery.row - GAP}px`;
    gallery.nodes.set(position, node);
    $("grid").append(node);
    const place = gallery.shown[position];
    if (!isWhole(place)) whole(place, () => gallery.nodes.get(position) === node && redraw(position));
  }
  return gallery.nodes.get(position);
}

/* Draws a card anew that is whole now. */
function redraw(position) {
  const old = gallery.nodes.get(position);
  const isFocused = old === document.activeElement;
  gallery.nodes.delete(position);
  const node = nodeAt(position);
  if (isFocused) node.focus({ preventScroll: true });
  old.remove();
}

function positionOf(node) {
  const card = node && node.closest ? node.closest(".card") : null;
  return card ? gallery.shown.indexOf(Number(card.dataset.place)) : -1;
}

function focusCard(position) {
  if (!gallery.shown.length) return;
  const wanted = Math.min(gallery.shown.length - 1, Math.max(0, position));
  const node = nodeAt(wanted);
  const bar = $("bar").getBoundingClientRect().height + 10;
  const box = node.getBoundingClientRect();
  if (box.top < bar) scrollBy(0, box.top - bar);
  else if (box.bottom > innerHeight - 10) scrollBy(0, box.bottom - innerHeight + 10);
  node.focus({ preventScroll: true });
  paint();
}

/* Filters and their choices. */
function fillChoices() {
  const values = (read) => [...new Map(cards.flatMap(read).filter(([value]) => value))];
  choices("category", values((card) => [[card.category, card.category_label || card.category]]));
  choices("difficulty", values((card) => [[card.difficulty, card.difficulty]]));
  const tags = new Map();
  for (const tag of cards.flatMap((card) => card.tags || [])) tags.set(tag, (tags.get(tag) || 0) + 1);
  const frequent = [...tags].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  choices("tag", frequent.map(([tag, count]) => [tag, `${tag} (${count})`]));
  const statuses = [...new Set(facts.flatMap((fact) => fact.statuses))];
  choices("status", statuses.map((status) => [status, statusWord(status)]));
  const usable = Object.entries(ORDERS).filter(([, [name]]) => facts.some((fact) => fact[name] !== null));
  choices("sort", usable.map(([key]) => [key, word(key)]), word("sort_order"));
}

function choices(id, values, first) {
  const any = first || `${word(id)}: ${word("all")}`;
  $(id).replaceChildren(el("option", { value: "" }, any), ...values.map(([value, text]) => el("option", { value }, text)));
  $(id).hidden = values.length === 0;
  $(id).value = state[id];
}

function setFilters(values) {
  Object.assign(state, values);
  syncInputs();
  writeAddress();
  showCards();
  $("bar").scrollIntoView({ block: "start" });
}

function syncInputs() {
  for (const name of FILTERS) if ($(name).value !== state[name]) $(name).value = state[name];
}

function startGallery() {
  fillChoices();
  for (const name of FILTERS) {
    $(name).addEventListener("input", () => {
      state[name] = $(name).value;
      writeAddress();
      showCards();
    });
  }
  $("reset").addEventListener("click", () => setFilters(Object.fromEntries(FILTERS.map((name) => [name, ""]))));
  $("grid").addEventListener("click", (event) => {
    const position = positionOf(event.target);
    if (position >= 0) openCard(gallery.shown[position]);
  });
  let waiting = false;
  addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(() => ((waiting = false), paint()));
    waiting = true;
  }, { passive: true });
  new ResizeObserver(() => $("grid").clientWidth && Math.abs($("grid").clientWidth - (gallery.width * gallery.columns + GAP * (gallery.columns - 1))) > 1 && refresh()).observe($("grid"));
  addEventListener("beforeprint", printAll);
  addEventListener("afterprint", () => (document.body.classList.remove("printing"), refresh()));
}

function printAll() {
  document.body.classList.add("printing");
  const places = gallery.shown.slice(0, PRINTED);
  $("grid").replaceChildren(...places.map(cardNode));
  $("grid").style.height = "";
  gallery.nodes.clear();
  $("printed").textContent = places.length < gallery.shown.length ? word("printed_of", places.length, gallery.shown.length) : "";
}
