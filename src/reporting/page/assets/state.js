/* What the reader has chosen. It is the page's address: #id?category=…&sort=… */
const FILTERS = ["q", "category", "difficulty", "tag", "status", "low", "high", "sort"];
const KEPT = [...FILTERS, "lang", "theme", "view"];
const LANGUAGES = ["en", "zh"];
const state = { id: "", sort: "" };

function readAddress() {
  const [id, query] = splitAddress(location.hash.slice(1));
  const given = new URLSearchParams(query);
  state.id = id;
  for (const name of KEPT) state[name] = given.get(name) || "";
  if (!LANGUAGES.includes(state.lang)) state.lang = data.language;
}

function splitAddress(text) {
  const mark = text.indexOf("?");
  const id = mark < 0 ? text : text.slice(0, mark);
  return [decoded(id), mark < 0 ? "" : text.slice(mark + 1)];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function address(id) {
  const query = new URLSearchParams();
  for (const name of KEPT) {
    const isDefault = !state[name] || (name === "lang" && state.lang === data.language);
    if (!isDefault) query.set(name, state[name]);
  }
  const text = query.toString();
  return `#${encodeURIComponent(id)}${text ? `?${text}` : ""}`;
}

function writeAddress(isStep = false) {
  const url = address(state.id) === "#" ? location.pathname + location.search : address(state.id);
  if (isStep) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
}

/* What filters and orders look at, once for each card. */
const facts = cards.map((card) => {
  const outcomes = (card.outcomes || []).filter((one) => !one.beside);
  const scores = outcomes.map((one) => one.score).filter((score) => typeof score === "number");
  const seconds = outcomes.reduce((sum, one) => sum + (one.edit_seconds || 0) + (one.judge_seconds || 0), 0);
  const texts = [card.id, ...Object.values(card.instruction || {}), ...outcomes.map((one) => one.reading || "")];
  return {
    text: texts.join("\n").toLowerCase(),
    statuses: outcomes.length ? outcomes.map((one) => one.status) : ["unfinished"],
    scores,
    score: scores.length ? scores.reduce((sum, score) => sum + score, 0) / scores.length : null,
    seconds: outcomes.some((one) => one.edit_seconds || one.judge_seconds) ? seconds : null,
    disagreement: largest(outcomes.map((one) => one.disagreement)),
    difference: typeof card.difference === "number" ? card.difference : null,
  };
});

function largest(values) {
  const known = values.filter((value) => typeof value === "number");
  return known.length ? Math.max(...known) : null;
}

const ORDERS = {
  sort_score: ["score", 1],
  sort_score_down: ["score", -1],
  sort_disagreement: ["disagreement", -1],
  sort_seconds: ["seconds", -1],
  sort_difference: ["difference", 1],
  sort_difference_down: ["difference", -1],
};

/* Places of the cards that pass the filters, in the chosen order; cards without the value come last. */
function chosen() {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const low = bound(state.low, -Infinity);
  const high = bound(state.high, Infinity);
  const ranged = low > -Infinity || high < Infinity;
  const places = [];
  for (let place = 0; place < cards.length; place++) {
    const card = cards[place];
    const fact = facts[place];
    if (state.category && (card.category || "") !== state.category) continue;
    if (state.difficulty && (card.difficulty || "") !== state.difficulty) continue;
    if (state.tag && !(card.tags || []).includes(state.tag)) continue;
    if (state.status && !fact.statuses.includes(state.status)) continue;
    if (ranged && !fact.scores.some((score) => score >= low && score <= high)) continue;
    if (!words.every((one) => fact.text.includes(one))) continue;
    places.push(place);
  }
  if (Object.hasOwn(ORDERS, state.sort)) {
    const [name, sign] = ORDERS[state.sort];
    const last = (place) => (facts[place][name] === null ? 1 : 0);
    places.sort((a, b) => last(a) - last(b) || sign * (facts[a][name] - facts[b][name]) || a - b);
  }
  return places;
}

function bound(text, otherwise) {
  const value = parseFloat(text);
  return Number.isFinite(value) ? value : otherwise;
}
