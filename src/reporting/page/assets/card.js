/* The pictures of a card in their order: sources, one for each outcome, the reference. */
function picturesOf(card) {
  const outcomes = (card.outcomes || []).filter((one) => one.picture).map((one) => one.picture);
  return [...(card.inputs || []), ...outcomes, ...(card.reference ? [card.reference] : [])];
}

/* The instruction in the reader's language, or in the one that there is. */
function instruction(card) {
  const texts = card.instruction || {};
  return texts[state.lang] || texts.en || texts.zh || Object.values(texts)[0] || "";
}

function small(picture) {
  const label = named(picture);
  const shown = isShown(picture)
    ? el("img", { src: smallAddress(picture), alt: label, decoding: "async", class: crisp(picture) })
    : el("span", { class: "missing", title: picture.missing }, picture.missing || word("no_picture"));
  return el("span", { class: "thumb" }, shown, el("small", {}, label));
}

/* Tiny pictures show their pixels rather than a blur. */
function crisp(picture) {
  return picture.size && Math.max(...picture.size) <= 160 ? "crisp" : null;
}

function badge(outcome) {
  if (typeof outcome.score !== "number") {
    return el("span", { class: `badge status ${outcome.status}`, title: outcome.reason }, statusWord(outcome.status));
  }
  const node = el("span", { class: "badge score" }, number(outcome.score));
  node.style.setProperty("--share", outcome.score / 10);
  return node;
}

/* Category and difficulty, of which neither can turn the other around. */
function where(card) {
  const parts = [card.category_label || card.category, card.difficulty].filter(Boolean);
  return el("span", { class: "where" }, parts.map((part, place) => [place ? " · " : "", el("bdi", {}, part)]));
}

/* One card of the gallery. */
function cardNode(place, position) {
  const card = cards[place];
  const outcomes = card.outcomes || [];
  const name = (one) => (one.name && outcomes.length > 1 ? el("small", {}, one.name) : "");
  const difference = typeof card.difference === "number" ? el("span", { class: "badge difference" }, `Δ ${card.difference > 0 ? "+" : ""}${number(card.difference)}`) : "";
  const head = el(
    "header",
    {},
    el("span", { class: "scores" }, outcomes.map((one) => el("span", {}, name(one), badge(one))), difference),
    where(card),
  );
  const reason = outcomes.find((one) => one.reason);
  const text = el("p", { class: "instruction" }, instruction(card));
  const foot = el("footer", {}, el("code", {}, card.id), (card.tags || []).slice(0, 4).map((tag) => el("span", { class: "tag" }, tag)));
  return el(
    "article",
    { class: "card", tabindex: "0", "data-place": place, "aria-label": `${card.id}: ${instruction(card)}`, "aria-posinset": position + 1, "aria-setsize": cards.length },
    el("span", { class: "thumbs" }, picturesOf(card).map(small)),
    head,
    text,
    reason ? el("p", { class: "reason" }, reason.reason) : "",
    foot,
  );
}
