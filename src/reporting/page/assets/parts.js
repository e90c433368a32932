/* Cards of a page that has very many: files beside it hold them, which are loaded as scripts, as a page from disk may. */
const PARTS_KEPT = 300;
const parts = { indexed: many ? cards.slice() : [], places: [], waiting: new Map(), loaded: new Map() };

if (many) {
  cards.forEach((card, place) => {
    card.category_label = many.labels[card.category || ""];
    parts.places[card.at] = place;
  });
  window.editloopPart = takePart;
}

/* What the index says of a card has its number among all cards in the files. */
const isWhole = (place) => cards[place].at === undefined;
const partOf = (place) => Math.floor(parts.indexed[place].at / many.size);
const placesOf = (part) => parts.places.slice(part * many.size, (part + 1) * many.size);

/* Calls `done` when the card is whole, or its file turned out to be missing. */
function whole(place, done) {
  const part = partOf(place);
  if (parts.waiting.has(part)) return void parts.waiting.get(part).push(done);
  parts.waiting.set(part, [done]);
  const script = el("script", { src: `${many.folder}${part}.js` });
  const ended = () => {
    script.remove();
    if (placesOf(part).some((one) => !isWhole(one))) missPart(part);
    parts.loaded.set(part, true);
    forgetOldest();
    const waiting = parts.waiting.get(part);
    parts.waiting.delete(part);
    for (const call of waiting) call();
  };
  script.addEventListener("load", ended);
  script.addEventListener("error", ended);
  document.head.append(script);
}

/* What a file calls: its cards, with their thumbnails and the lines of their prompts by number. */
function takePart(part, text) {
  const { cards: found, thumbnails, lines } = JSON.parse(text);
  placesOf(part).forEach((place, slot) => {
    const card = found[slot];
    for (const picture of picturesOf(card)) if (picture.thumbnail !== undefined) picture.thumbnail = thumbnails[picture.thumbnail];
    for (const one of card.outcomes || []) {
      one.prompts = (one.prompts || []).map((texts) => texts.map((text) => (typeof text === "number" ? lines[text] : text)));
    }
    cards[place] = card;
  });
}

/* Without its file, a card is what the index says. */
function missPart(part) {
  for (const place of placesOf(part)) {
    const missing = { label: { word: "source" }, missing: word("part_missing", `${many.folder}${part}.js`) };
    cards[place] = { ...parts.indexed[place], at: undefined, inputs: [missing] };
  }
}

/* Keeps memory bounded, however far one scrolls. */
function forgetOldest() {
  const inUse = new Set([...gallery.nodes.keys()].map((position) => partOf(gallery.shown[position])));
  if (viewer.place >= 0) inUse.add(partOf(viewer.place));
  for (const part of parts.loaded.keys()) {
    if (parts.loaded.size <= PARTS_KEPT) return;
    if (inUse.has(part)) continue;
    parts.loaded.delete(part);
    for (const place of placesOf(part)) cards[place] = parts.indexed[place];
  }
}
